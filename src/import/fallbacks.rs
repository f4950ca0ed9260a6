//! Which listener each one falls back to: at most one, never in a circle, and never from writes to reads.

use super::account::Told;
use super::listeners::{Draft, Site};
use super::place::Place;
use super::survey::{Wanted, wanted};
use super::topic::{Gap, Topic};
use crate::core::chain::Access;

/// The fallback of each listener, as the number of another: no loop, and none of a read-write one to reads.
pub(super) fn choose(
    site: &Site<'_, '_>,
    drafts: &[Draft],
    told: &mut Told<'_>,
) -> Vec<Option<(usize, Vec<Place>)>> {
    let mut chosen: Vec<Option<(usize, Vec<Place>)>> = vec![None; drafts.len()];
    for (index, draft) in drafts.iter().enumerate() {
        for (entrance, places) in &draft.onward {
            let to = drafts.iter().position(|other| other.entrance == *entrance);
            let fits = to
                .filter(|to| *to != index && !leads_back(&chosen, *to, index))
                .filter(|to| {
                    let writes =
                        drafts.get(*to).map(|other| other.access) == Some(Access::ReadWrite);
                    draft.access != Access::ReadWrite || writes
                });
            match (fits, chosen.get(index)) {
                (Some(to), Some(None)) => chosen[index] = Some((to, places.clone())),
                // What follows is the fallback's own matter when it is its fallback too.
                (Some(_), _) if draft.onward.first().map(|first| first.0) != Some(*entrance) => {
                    for place in places {
                        let sentence =
                            "a second fallback: a listener has one, which may have its own";
                        told.ledger.changed(*place, Topic::NobodyUp, sentence);
                    }
                }
                (None, _) => {
                    for place in places {
                        let sentence = "a fallback that leads back, to a listener that is not written, \
                                        or from writes to reads: left out";
                        told.gap(*place, Gap::Routing, sentence);
                    }
                }
                _ => {}
            }
        }
    }
    for (index, draft) in drafts.iter().enumerate() {
        if chosen[index].is_none() && draft.access == Access::ReadOnly && site.took_any(draft) {
            let writer = drafts
                .iter()
                .position(|other| other.group == draft.group && other.access == Access::ReadWrite);
            if let Some(to) = writer.filter(|to| !leads_back(&chosen, *to, index)) {
                chosen[index] = Some((to, draft.access_places.clone()));
            }
        }
    }
    chosen
}

impl Site<'_, '_> {
    /// A read section whose check let the primary serve too.
    fn took_any(&self, draft: &Draft) -> bool {
        let first = self.here(draft).and_then(|here| here.chain.first());
        let proxy = first.and_then(|first| self.proxies.get(*first));
        proxy.is_some_and(|proxy| wanted(proxy) == Wanted::Any)
    }
}

fn leads_back(chosen: &[Option<(usize, Vec<Place>)>], from: usize, to: usize) -> bool {
    let mut at = Some(from);
    for _ in 0..=chosen.len() {
        match at {
            Some(here) if here == to => return true,
            Some(here) => {
                at = chosen
                    .get(here)
                    .and_then(|next| next.as_ref().map(|next| next.0));
            }
            None => return false,
        }
    }
    true
}
