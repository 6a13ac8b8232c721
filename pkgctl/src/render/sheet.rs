//! Sheets: what pkgd's package manager has to show, as text and as JSON.

use minos_model::units::{date, duration, size};
use minos_proto::{Column, Field, Grid, Sheet};
use serde_json::{Map, Value};

use super::table::{Cell, Table};
use super::text::{clean, clip, labelled, width};
use super::{Tone, View};

/// A sheet with nothing on it says so.
const NOTHING: &str = "nothing\n";

/// Facts, one a line with their values below each other; tables; sentences.
pub fn text(sheet: &Sheet, view: View) -> String {
    let mut out = facts(&sheet.facts, view);
    let grids: Vec<&Grid> = sheet.grids.iter().filter(|g| !g.rows.is_empty()).collect();
    for grid in &grids {
        if !out.is_empty() {
            out.push('\n');
        }
        if sheet.grids.len() > 1 {
            let title = clip(&format!("{}:", spoken(&grid.name)), view.width);
            out.push_str(&(view.paint(Tone::Strong, &title) + "\n"));
        }
        out.push_str(&table(grid).render(view));
    }
    if !grids.is_empty() && !sheet.notes.is_empty() {
        out.push('\n');
    }
    for note in &sheet.notes {
        out.push_str(&labelled("", note, view.width));
    }
    if out.is_empty() { NOTHING.into() } else { out }
}

fn facts(facts: &[(String, Field)], view: View) -> String {
    let labels: Vec<String> = facts.iter().map(|(name, _)| spoken(name) + ":").collect();
    // On a narrow screen the values need the room more.
    let room = labels.iter().map(|l| width(l)).max().unwrap_or(0).min(view.width / 3);
    let mut out = String::new();
    for (label, (name, field)) in labels.iter().zip(facts) {
        // The next thing of a kind, with facts of its own.
        if !out.is_empty() && *name == facts[0].0 {
            out.push('\n');
        }
        let label = clip(label, room);
        let spare = " ".repeat(room - width(&label) + 1);
        out.push_str(&labelled(&format!("{label}{spare}"), &shown(field), view.width));
    }
    out
}

fn table(grid: &Grid) -> Table {
    let title = |c: &Column| format!("{}{}", if c.right { ">" } else { "" }, spoken(&c.name));
    let titles: Vec<_> = grid.columns.iter().map(title).collect();
    let fixed =
        (0..titles.len()).map(|at| grid.rows.iter().filter_map(|row| row.get(at)).all(is_measure));
    let mut table = Table::whole(&titles, fixed);
    for row in &grid.rows {
        table.row(row.iter().map(|field| Cell::from(folded(field))));
    }
    table
}

/// Whether a field is a number of whatever kind: half of one is none.
fn is_measure(field: &Field) -> bool {
    !matches!(field, Field::Text(_) | Field::List(_))
}

/// A list in a table is shown whole up to so many items...
const MANY: usize = 5;
/// ... and of a longer one these.
const SHOWN: usize = 3;

/// As [`shown`], with long lists folded: a row is to be overlooked. JSON has all of it.
fn folded(field: &Field) -> String {
    match field {
        Field::List(fields) if fields.len() > MANY => {
            let first: Vec<String> = fields.iter().take(SHOWN).map(shown).collect();
            format!("{} and {} more", first.join(", "), fields.len() - SHOWN)
        }
        field => shown(field),
    }
}

/// A name of JSON as people read it.
fn spoken(name: &str) -> String {
    clean(&name.replace('_', " "))
}

fn shown(field: &Field) -> String {
    match field {
        Field::None => "-".into(),
        Field::Text(text) => clean(text),
        Field::Number(number) => number.to_string(),
        Field::Bytes(bytes) => size(*bytes),
        Field::Change(0) => size(0),
        Field::Change(change) => {
            format!("{}{}", if *change < 0 { '-' } else { '+' }, size(change.unsigned_abs()))
        }
        Field::Time(ms) => date(*ms),
        Field::Duration(us @ 0..1_000) => format!("{us} us"),
        Field::Duration(us @ 1_000..1_000_000) => format!("{} ms", us / 1000),
        Field::Duration(us) => duration(us / 1000),
        Field::Flag(flag) => if *flag { "yes" } else { "no" }.into(),
        Field::List(fields) if fields.is_empty() => "-".into(),
        Field::List(fields) => fields.iter().map(shown).collect::<Vec<_>>().join(", "),
    }
}

/// The `data` of a sheet: `{fact: value, grid: [{column: value}], "notes": [..]}`. Facts of several things of a kind are
/// in `"each": [{fact: value}]`.
pub fn json(sheet: &Sheet) -> Value {
    let mut each: Vec<Map<String, Value>> = Vec::new();
    for (name, field) in &sheet.facts {
        match each.last_mut().filter(|_| *name != sheet.facts[0].0) {
            Some(last) => drop(last.insert(name.clone(), value(field))),
            None => each.push(Map::from_iter([(name.clone(), value(field))])),
        }
    }
    let mut data = match each.len() {
        0 | 1 => each.pop().unwrap_or_default(),
        _ => Map::from_iter([("each".to_owned(), each.into())]),
    };
    for grid in &sheet.grids {
        data.insert(grid.name.clone(), rows(grid));
    }
    data.insert("notes".into(), sheet.notes.clone().into());
    data.insert("alarm".into(), sheet.alarm.into());
    Value::Object(data)
}

fn rows(grid: &Grid) -> Value {
    let row = |fields: &Vec<Field>| -> Value {
        let names = grid.columns.iter().map(|c| c.name.clone());
        names.zip(fields.iter().map(value)).collect::<Map<_, _>>().into()
    };
    grid.rows.iter().map(row).collect()
}

fn value(field: &Field) -> Value {
    match field {
        Field::None => Value::Null,
        Field::Text(text) => text.clone().into(),
        Field::Number(number) | Field::Change(number) => (*number).into(),
        Field::Bytes(number) | Field::Time(number) | Field::Duration(number) => (*number).into(),
        Field::Flag(flag) => (*flag).into(),
        Field::List(fields) => fields.iter().map(value).collect(),
    }
}

#[cfg(test)]
mod tests {
    use minos_proto::{Field, Sheet};
    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_oneof, proptest};

    use super::{json, text};
    use crate::render::View;
    use crate::render::text::width;

    const VIEW: View = View { width: 80, color: false };

    fn sample() -> Sheet {
        let list: Field = ["zlib", "xz"].into_iter().collect();
        let rows = vec![
            vec!["zlib".into(), Field::Bytes(1 << 20), Field::Flag(true)],
            vec!["xz".into(), Field::Bytes(3), Field::None],
        ];
        Sheet::new("sample")
            .fact("name", "zlib")
            .fact("installed_size", Field::Bytes(1 << 20))
            .fact("needs", list)
            .fact("change", Field::Change(-2048))
            .fact("built", Field::Time(1_763_696_820_000))
            .fact("took", Field::Duration(1_500))
            .grid("packages", &["name", ">size", "held"], rows)
            .note("2 packages.")
    }

    /// Of `info a b` JSON had the facts of b alone, and text ran them into each other.
    #[test]
    fn several_of_a_kind_are_told_apart() {
        let two = Sheet::new("info").fact("name", "a").fact("size", 1_u64).fact("name", "b");
        assert_eq!(
            text(&two.clone().fact("size", 2_u64), VIEW),
            "name: a\nsize: 1\n\nname: b\nsize: 2\n"
        );
        let each = serde_json::json!([{"name": "a", "size": 1}, {"name": "b", "size": 2}]);
        assert_eq!(json(&two.fact("size", 2_u64))["each"], each);
    }

    #[test]
    fn facts_tables_sentences() {
        let want = "name:           zlib
installed size: 1.0 MiB
needs:          zlib, xz
change:         -2.0 KiB
built:          2025-11-21 03:47
took:           1 ms

name     size  held
zlib  1.0 MiB  yes
xz        3 B  -

2 packages.
";
        assert_eq!(text(&sample(), VIEW), want);
        let two = sample().grid("files", &["path"], vec![vec!["/usr".into()]]);
        let shown = text(&two, VIEW);
        assert!(shown.contains("\npackages:\nname ") && shown.contains("\nfiles:\npath\n/usr\n"));
        assert_eq!(text(&Sheet::new("empty"), VIEW), "nothing\n");
        let empty = Sheet::new("empty").grid("packages", &["name"], Vec::new());
        assert_eq!(text(&empty.note("No package is held."), VIEW), "No package is held.\n");
    }

    /// A change of eighty packages was forty lines of the history.
    #[test]
    fn long_lists_are_folded_in_tables_alone() {
        let list = |count: u64| (1..=count).collect::<Field>();
        let sheet = |count| {
            Sheet::new("x").fact("all", list(count)).grid("g", &["n"], vec![vec![list(count)]])
        };
        assert!(text(&sheet(5), VIEW).ends_with("n\n1, 2, 3, 4, 5\n"));
        let shown = text(&sheet(9), VIEW);
        assert!(shown.starts_with("all: 1, 2, 3, 4, 5, 6, 7, 8, 9\n"), "{shown}");
        assert!(shown.ends_with("n\n1, 2, 3 and 6 more\n"), "{shown}");
        assert_eq!(json(&sheet(9))["g"][0]["n"].as_array().unwrap().len(), 9);
    }

    #[test]
    fn json_has_the_same_names() {
        let want = serde_json::json!({
            "name": "zlib", "installed_size": 1 << 20, "needs": ["zlib", "xz"], "change": -2048,
            "built": 1_763_696_820_000_u64, "took": 1500, "alarm": false, "notes": ["2 packages."],
            "packages": [
                {"name": "zlib", "size": 1 << 20, "held": true},
                {"name": "xz", "size": 3, "held": null},
            ],
        });
        assert_eq!(json(&sample()), want);
    }

    fn field() -> impl Strategy<Value = Field> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Field::Text),
            any::<i64>().prop_map(Field::Change),
            any::<u64>().prop_map(Field::Bytes),
            any::<u64>().prop_map(Field::Time),
            any::<u64>().prop_map(Field::Duration),
        ];
        prop_oneof![leaf.clone(), prop::collection::vec(leaf, 0..4).prop_map(Field::List)]
    }

    proptest! {
        /// What packages say of themselves must not move the cursor or leave the screen.
        #[test]
        fn hostile_text_stays_on_the_screen(
            facts in prop::collection::vec((any::<String>(), field()), 0..4),
            columns in prop::collection::vec(any::<String>(), 1..4),
            rows in prop::collection::vec(prop::collection::vec(field(), 0..5), 0..4),
            notes in prop::collection::vec(any::<String>(), 0..3), room in 12usize..100,
        ) {
            let names: Vec<&str> = columns.iter().map(String::as_str).collect();
            let mut sheet = Sheet::new("x").grid("g", &names, rows.clone()).grid("h", &names, rows);
            sheet.facts = facts;
            sheet.notes = notes;
            let shown = text(&sheet, View { width: room, color: false });
            prop_assert!(shown.lines().all(|l| width(l) <= room), "{shown}");
            prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
            json(&sheet);
        }
    }
}
