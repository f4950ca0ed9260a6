//! Values that several keys have.

use super::{Key, Reload, Value, Without};

/// Words that say that there is none; the first is the one to write.
pub(super) const OFF: &[&str] = &["off", "none"];
pub(super) const NONE: &[&str] = &["none", "off"];

pub(super) const ADDRESS: Value = Value::Address;
pub(super) const BIND: Value = Value::Bind;
pub(super) const NAME: Value = Value::Name;
pub(super) const DURATION: Value = Value::Duration;
pub(super) const SIZE: Value = Value::Size;

/// A key with keys of its own.
pub(super) const fn map(
    name: &'static str,
    value: Value,
    default: Without,
    about: &'static str,
) -> Key {
    Key {
        name,
        value,
        default,
        about,
        example: "",
        reload: Reload::AtOnce,
    }
}
