//! What commands print: JSON as the API has it, or cards and tables for people.

use std::{fmt::Display, io::Write};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Value as Json};

use crate::json::Style;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Cards and tables, for people.
    #[value(alias = "table")]
    Text,
    /// One JSON document; lists are arrays.
    Json,
    /// One JSON document a line for each entry of a list.
    Jsonl,
    /// Nothing but errors.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeFormat {
    /// `5 minutes ago`.
    Relative,
    /// RFC 3339, to the second.
    Iso,
    /// RFC 3339, as exact as the server tells it.
    Raw,
}

impl TimeFormat {
    pub(crate) fn show(self, time: DateTime<Utc>, now: DateTime<Utc>) -> String {
        match self {
            Self::Iso => time.to_rfc3339_opts(SecondsFormat::Secs, true),
            Self::Raw => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            Self::Relative => {
                let (past, words) = (now - time, |gap: chrono::TimeDelta| gap.to_std().map(rough).unwrap_or_default());
                if past < chrono::TimeDelta::zero() {
                    format!("in {}", words(-past))
                } else {
                    format!("{} ago", words(past))
                }
            }
        }
    }
}

/// The largest unit of a time span.
fn rough(span: std::time::Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (size, unit) = units.into_iter().find(|(size, _)| seconds >= *size).unwrap_or((1, "second"));
    let count = seconds / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A title, and where in the JSON its value is (RFC 6901).
pub(crate) type Field = (&'static str, &'static str);

/// A part of a description: an object is a card, a list a table with its length; what is not there is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// Where it is in the answer.
    pub(crate) at: &'static str,
    pub(crate) fields: &'static [Field],
}

#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub(crate) format: Format,
    pub(crate) time: TimeFormat,
    pub(crate) short_payloads: bool,
}

impl Output {
    pub(crate) fn style(self) -> Style {
        match self.format {
            Format::Text | Format::None => Style::People(self.time),
            _ if self.short_payloads => Style::ShortPayloads,
            _ => Style::Canonical,
        }
    }

    pub(crate) fn is_text(self) -> bool {
        self.format == Format::Text
    }

    pub fn is_json(self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// A sentence for people.
    pub(crate) fn say(self, text: impl Display) -> anyhow::Result<()> {
        if self.is_text() { line(text) } else { Ok(()) }
    }

    /// A document for programs.
    pub fn json(self, value: &Json) -> anyhow::Result<()> {
        match self.format {
            Format::Json => line(serde_json::to_string_pretty(value)?),
            Format::Jsonl => line(value),
            Format::Text | Format::None => Ok(()),
        }
    }

    /// Titles and values: a card, or an object whose keys are the titles.
    pub(crate) fn card<'a>(self, rows: impl IntoIterator<Item = (&'a str, Json)>) -> anyhow::Result<()> {
        if self.is_text() {
            return lines(card(rows.into_iter().map(|(title, value)| (title, cell(&value)))));
        }
        let key = |title: &str| {
            let (first, rest) = title.split_at(title.len().min(1));
            format!("{}{rest}", first.to_ascii_lowercase())
        };
        let shown = rows.into_iter().filter(|(_, value)| *value != Json::Null);
        let object: Map<String, Json> = shown.map(|(title, value)| (key(title), value)).collect();
        self.json(&Json::Object(object))
    }

    /// The answer itself, also where people read it.
    pub(crate) fn raw(self, value: &Json) -> anyhow::Result<()> {
        if self.is_text() { line(serde_json::to_string_pretty(value)?) } else { self.json(value) }
    }

    /// All fields of an object, by their own names.
    pub(crate) fn object(self, object: &Json) -> anyhow::Result<()> {
        if !self.is_text() {
            return self.json(object);
        }
        let fields = object.as_object().into_iter().flatten();
        lines(card(fields.map(|(name, value)| (name.as_str(), cell(value)))))
    }

    /// The parts of an answer, or all of it in JSON.
    pub(crate) fn sections(self, answer: &Json, sections: &[Section]) -> anyhow::Result<()> {
        if !self.is_text() {
            return self.json(answer);
        }
        for section in sections {
            match answer.pointer(section.at) {
                Some(Json::Array(items)) => {
                    line(format!("{}: {}", section.title, items.len()))?;
                    lines(table(items, section.fields, true))?;
                }
                Some(object) => {
                    if !section.title.is_empty() {
                        line(format!("{}:", section.title))?;
                    }
                    let values = section.fields.iter().map(|(title, at)| (*title, at_pointer(object, at)));
                    lines(card(values))?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// A list that grows page by page.
    pub(crate) fn list(self, fields: &'static [Field]) -> List {
        List { output: self, fields, printed: 0 }
    }
}

pub(crate) struct List {
    output: Output,
    fields: &'static [Field],
    printed: usize,
}

impl List {
    pub(crate) fn page(&mut self, items: &[Json]) -> anyhow::Result<()> {
        match self.output.format {
            Format::Text if !items.is_empty() => lines(table(items, self.fields, self.printed == 0))?,
            Format::Json => {
                for (index, item) in items.iter().enumerate() {
                    line(if self.printed + index == 0 { "[" } else { "," })?;
                    line(serde_json::to_string_pretty(item)?)?;
                }
            }
            Format::Jsonl => items.iter().try_for_each(line)?,
            Format::Text | Format::None => {}
        }
        self.printed += items.len();
        Ok(())
    }

    pub(crate) fn end(self) -> anyhow::Result<()> {
        match self.output.format {
            Format::Json if self.printed == 0 => line("[]"),
            Format::Json => line("]"),
            _ => Ok(()),
        }
    }
}

fn table(items: &[Json], fields: &[Field], header: bool) -> Table {
    let mut table = plain();
    if header && !items.is_empty() {
        table.set_header(fields.iter().map(|(title, _)| *title));
    }
    for item in items {
        table.add_row(fields.iter().map(|(_, at)| at_pointer(item, at)));
    }
    table
}

/// Only what has a value.
fn card<'a>(rows: impl Iterator<Item = (&'a str, String)>) -> Table {
    let mut table = plain();
    for (title, value) in rows.filter(|(_, value)| !value.is_empty()) {
        table.add_row([title.to_owned(), value]);
    }
    table
}

fn plain() -> Table {
    let mut table = Table::new();
    // Whoever reads a table with a program needs a row to be a line, however wide.
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn lines(mut table: Table) -> anyhow::Result<()> {
    if table.is_empty() && table.header().is_none() {
        return Ok(());
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((1, 1));
        column.set_cell_alignment(CellAlignment::Left);
    });
    table.lines().try_for_each(|text| line(text.trim_end()))
}

fn at_pointer(object: &Json, at: &str) -> String {
    object.pointer(at).map(cell).unwrap_or_default()
}

/// A value in one line.
fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.replace('\n', "\\n"),
        Json::Array(items) if items.is_empty() => String::new(),
        Json::Object(fields) if fields.is_empty() => String::new(),
        other => other.to_string(),
    }
}

/// One line on standard output. Not `println!`, which panics where a reader like `head` has gone.
pub(crate) fn line(text: impl Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times() {
        let now = DateTime::from_timestamp(1_000_000_000, 0).expect("a time");
        let cases = [
            (0, "0 seconds ago"),
            (1, "1 second ago"),
            (150, "2 minutes ago"),
            (7_200, "2 hours ago"),
            (90_000, "1 day ago"),
            (-59, "in 59 seconds"),
            (-3_600, "in 1 hour"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(TimeFormat::Relative.show(now - chrono::TimeDelta::seconds(seconds), now), expected);
        }
        assert_eq!(TimeFormat::Iso.show(now, now), "2001-09-09T01:46:40Z");
    }

    #[test]
    fn tables_are_plain_lines() {
        let items = [serde_json::json!({"a": {"b": "x"}, "n": 3}), serde_json::json!({"a": {"b": "two\nlines"}})];
        let fields: &[Field] = &[("Name", "/a/b"), ("Count", "/n")];
        let text: Vec<String> = table(&items, fields, true).lines().map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(text, [" Name        Count", " x           3", " two\\nlines"]);
    }
}
