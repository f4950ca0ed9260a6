//! What is measured, and what it is held against.

use std::collections::BTreeMap;

use serde_json::Value;

/// One kind of figure, in the order of the table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Column {
    /// Requests, or connections with one request each, a second.
    Rate,
    /// Milliseconds.
    P50,
    P99,
    /// Microseconds of the proxy for one request.
    Cpu,
    User,
    System,
    /// Megabytes a second, of all receivers together.
    Throughput,
    /// Megabits a second of the slowest receiver.
    Slowest,
    /// Seconds of the proxy for one gigabyte.
    CpuPerGb,
    /// Resident memory of the proxy in megabytes.
    Memory,
}

impl Column {
    pub(crate) const ALL: [Self; 10] = [
        Self::Rate,
        Self::P50,
        Self::P99,
        Self::Cpu,
        Self::User,
        Self::System,
        Self::Throughput,
        Self::Slowest,
        Self::CpuPerGb,
        Self::Memory,
    ];

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Rate => "req/s",
            Self::P50 => "p50 ms",
            Self::P99 => "p99 ms",
            Self::Cpu => "cpu us/req",
            Self::User => "user",
            Self::System => "system",
            Self::Throughput => "MB/s",
            Self::Slowest => "slowest Mbit/s",
            Self::CpuPerGb => "cpu s/GB",
            Self::Memory => "RSS MB",
        }
    }

    /// Digits after the point.
    pub(crate) const fn digits(self) -> usize {
        match self {
            Self::Rate | Self::Throughput | Self::Slowest => 0,
            Self::Cpu | Self::User | Self::System | Self::Memory => 1,
            Self::P50 | Self::P99 | Self::CpuPerGb => 3,
        }
    }
}

/// What one run gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(BTreeMap<Column, f64>);

impl Figures {
    pub(crate) fn set(&mut self, column: Column, value: f64) {
        self.0.insert(column, value);
    }

    pub(crate) fn get(&self, column: Column) -> Option<f64> {
        self.0.get(&column).copied()
    }

    pub(crate) fn json(&self) -> Value {
        self.0
            .iter()
            .map(|(column, value)| (column.label().to_owned(), Value::from(*value)))
            .collect()
    }
}

/// A ratio to HAProxy that is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bar {
    pub(crate) column: Column,
    pub(crate) bound: Bound,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    pub(crate) const fn at_least(column: Column, ratio: f64) -> Self {
        let bound = Bound::AtLeast(ratio);
        Self { column, bound }
    }

    pub(crate) const fn at_most(column: Column, ratio: f64) -> Self {
        let bound = Bound::AtMost(ratio);
        Self { column, bound }
    }

    pub(crate) fn is_met_by(self, ratio: f64) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => ratio >= bound,
            Bound::AtMost(bound) => ratio <= bound,
        }
    }

    /// As `cpu us/req <= 0.90`.
    pub(crate) fn words(self) -> String {
        let (sign, bound) = match self.bound {
            Bound::AtLeast(bound) => (">=", bound),
            Bound::AtMost(bound) => ("<=", bound),
        };
        format!("{} {sign} {bound:.2}", self.column.label())
    }
}

/// The middle value; of an even number, the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    let lower = if values.len().is_multiple_of(2) {
        values[middle - 1]
    } else {
        upper
    };
    Some(f64::midpoint(lower, upper))
}
