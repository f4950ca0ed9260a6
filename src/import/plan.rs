//! The new configuration before it is text: what is to be written, and where each part comes from.

use super::place::Place;
use crate::core::chain::Access;

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) groups: Vec<PlannedGroup>,
    pub(super) listeners: Vec<PlannedListener>,
    /// Lines of the stats socket and the stats page.
    pub(super) stats: Vec<Place>,
}

#[derive(Clone, Debug)]
pub(super) struct PlannedGroup {
    pub(super) name: String,
    pub(super) nodes: Vec<PlannedNode>,
    pub(super) auth: Option<PlannedAuth>,
    pub(super) sentinel: Option<PlannedSentinel>,
}

#[derive(Clone, Debug)]
pub(super) struct PlannedNode {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) local: bool,
    /// None: 1.
    pub(super) weight: Option<u64>,
    pub(super) places: Vec<Place>,
}

#[derive(Clone, Debug)]
pub(super) struct PlannedAuth {
    pub(super) user: Option<String>,
    /// The variable of the environment that is to hold the password.
    pub(super) variable: String,
    pub(super) places: Vec<Place>,
}

#[derive(Clone, Debug)]
pub(super) struct PlannedSentinel {
    /// None where no check names it: then the section is written as a comment.
    pub(super) name: Option<String>,
    pub(super) addresses: Vec<String>,
    pub(super) auth: Option<PlannedAuth>,
    pub(super) places: Vec<Place>,
}

#[derive(Clone, Debug)]
pub(super) struct PlannedListener {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) group: usize,
    pub(super) access: Access,
    /// Why it has this access.
    pub(super) access_places: Vec<Place>,
    pub(super) binds: Vec<(String, Place)>,
    /// None: all of its kind.
    pub(super) nodes: Option<Vec<String>>,
    pub(super) node_places: Vec<Place>,
    pub(super) backup: Vec<(String, Place)>,
    pub(super) fallback: Option<(String, Vec<Place>)>,
    pub(super) max_connections: Option<(u64, Place)>,
    pub(super) connect_timeout: Option<(String, Place)>,
}
