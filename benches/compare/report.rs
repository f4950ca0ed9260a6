//! The table, the bars, and the same as JSON.

use serde_json::{Value, json};

use crate::figures::{Bar, Column, Figures, median};
use crate::rows::Row;
use crate::sides::Side;

/// A direct column that spreads more than this between rounds says that the machine is not itself.
const MOST_SPREAD: f64 = 0.15;

/// The share of the machine that others may take.
const MOST_OTHERS: f64 = 0.05;

/// All rounds of one row.
#[derive(Default)]
pub(crate) struct Rounds {
    pub(crate) rounds: Vec<Vec<(Side, Figures)>>,
    /// The share of the machine that others took in each cell.
    pub(crate) others: Vec<f64>,
}

impl Rounds {
    fn values(&self, side: Side, column: Column) -> Vec<f64> {
        self.rounds
            .iter()
            .filter_map(|round| value(round, side, column))
            .collect()
    }

    fn has(&self, column: Column) -> bool {
        let mut all = self.rounds.iter().flatten();
        all.any(|(_, figures)| figures.get(column).is_some())
    }

    fn median(&self, side: Side, column: Column) -> Option<f64> {
        median(self.values(side, column))
    }

    /// The median of the ratios to HAProxy with all threads, each within one round.
    fn ratio(&self, side: Side, column: Column) -> Option<f64> {
        let ratios = self.rounds.iter().filter_map(|round| {
            let base = value(round, Side::Haproxy, column).filter(|base| *base > 0.0)?;
            Some(value(round, side, column)? / base)
        });
        median(ratios.collect())
    }

    /// The widest distance between rounds of the direct side's speed, as a part of its median.
    fn spread(&self) -> f64 {
        let columns = [Column::Rate, Column::Throughput];
        let spread = columns.iter().filter_map(|column| {
            let values = self.values(Side::Direct, *column);
            let middle = median(values.clone()).filter(|middle| *middle > 0.0)?;
            let most = values.iter().copied().fold(f64::MIN, f64::max);
            let least = values.iter().copied().fold(f64::MAX, f64::min);
            Some((most - least) / middle)
        });
        spread.fold(0.0, f64::max)
    }
}

fn value(round: &[(Side, Figures)], side: Side, column: Column) -> Option<f64> {
    round.iter().find(|(each, _)| *each == side)?.1.get(column)
}

/// Prints a row: the figures of each side with their ratios to HAProxy, the bars, and the warnings.
pub(crate) fn print(row: &Row, rounds: &Rounds) {
    let columns: Vec<Column> = Column::ALL.into_iter().filter(|c| rounds.has(*c)).collect();
    println!(
        "\n{} ({}), {} rounds",
        row.title,
        row.key,
        rounds.rounds.len()
    );
    print!("  {:<10}", "");
    for column in &columns {
        print!(" {:>20}", column.label());
    }
    println!();
    for side in Side::all() {
        print!("  {:<10}", side.label());
        for column in &columns {
            print!(" {:>20}", cell(rounds, side, *column));
        }
        println!();
    }
    for bar in row.bars {
        println!("  {}", verdict(bar, rounds).words);
    }
    for warning in warnings(rounds) {
        println!("  WARNING: {warning}");
    }
}

fn cell(rounds: &Rounds, side: Side, column: Column) -> String {
    let Some(middle) = rounds.median(side, column) else {
        return "-".to_owned();
    };
    let figure = format!("{middle:.*}", column.digits());
    match rounds.ratio(side, column) {
        Some(ratio) if side != Side::Haproxy => format!("{figure} x{ratio:.2}"),
        _ => format!("{figure}      "),
    }
}

struct Verdict {
    met: bool,
    words: String,
}

fn verdict(bars: &[Bar], rounds: &Rounds) -> Verdict {
    let mut met = false;
    let mut words = Vec::new();
    for bar in bars {
        match rounds.ratio(Side::Rolecall, bar.column) {
            Some(ratio) => {
                met |= bar.is_met_by(ratio);
                words.push(format!("{}: {ratio:.2}", bar.words()));
            }
            None => words.push(format!("{}: not measured", bar.words())),
        }
    }
    let head = if met { "met   " } else { "MISSED" };
    let words = format!("{head} {}", words.join(" or "));
    Verdict { met, words }
}

/// Why the figures of a row say little.
fn warnings(rounds: &Rounds) -> Vec<String> {
    let mut found = Vec::new();
    let spread = rounds.spread();
    if spread > MOST_SPREAD {
        found.push(format!(
            "without a proxy the speed spread by {:.0} % between rounds: believe ratios only, and \
             only over many rounds",
            spread * 100.0
        ));
    }
    let others = median(rounds.others.clone()).unwrap_or_default();
    if others > MOST_OTHERS {
        found.push(format!(
            "others took {:.0} % of the machine meanwhile: stop them and measure again",
            others * 100.0
        ));
    }
    found
}

/// A row as JSON: medians, ratios, and each round.
pub(crate) fn json(row: &Row, rounds: &Rounds) -> Value {
    let sides = Side::all().into_iter().map(|side| {
        let all = |pick: &dyn Fn(Column) -> Option<f64>| -> Value {
            Column::ALL
                .into_iter()
                .filter_map(|column| Some((column.label().to_owned(), json!(pick(column)?))))
                .collect()
        };
        let each = rounds.rounds.iter().flatten().filter(|(of, _)| *of == side);
        let figures = json!({
            "median": all(&|column| rounds.median(side, column)),
            "ratio_to_haproxy": all(&|column| rounds.ratio(side, column)),
            "rounds": each.map(|(_, figures)| figures.json()).collect::<Vec<_>>(),
        });
        (side.label().to_owned(), figures)
    });
    let bars = row.bars.iter().map(|bar| {
        let verdict = verdict(bar, rounds);
        json!({ "met": verdict.met, "words": verdict.words })
    });
    json!({
        "row": row.key,
        "title": row.title,
        "sides": sides.collect::<Value>(),
        "bars": bars.collect::<Vec<_>>(),
        "others_share": median(rounds.others.clone()),
        "direct_spread": rounds.spread(),
        "warnings": warnings(rounds),
    })
}
