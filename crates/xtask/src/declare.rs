//! What a CSV file could be declared as: the resource that `template.yaml` lacks for it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use dataset_check::{Kind, is_column_name};

use crate::paths;

/// How many rows are looked at.
const SAMPLE: usize = 10_000;

/// The types that a column may turn out to have, the narrowest first. Whatever is none of them is a text.
const KINDS: [(Kind, &str); 7] = [
    (Kind::Boolean, "BOOLEAN"),
    (Kind::Int, "INT"),
    (Kind::BigInt, "BIGINT"),
    (Kind::Decimal { before_the_point: 10, scale: 2 }, "DECIMAL(12,2)"),
    (Kind::Decimal { before_the_point: 28, scale: 10 }, "DECIMAL(38,10)"),
    (Kind::Date, "DATE"),
    (Kind::Timestamp, "TIMESTAMP"),
];

struct Column {
    name: String,
    values: Vec<String>,
}

impl Column {
    fn kind(&self) -> &'static str {
        let mut written = self.values.iter().filter(|value| !value.is_empty()).peekable();
        if written.peek().is_none() {
            return "STRING";
        }
        let fits = |kind: Kind| written.clone().all(|value| kind.takes(value));
        KINDS.iter().find(|(kind, _)| fits(*kind)).map_or("STRING", |(_, name)| *name)
    }

    fn is_complete(&self) -> bool {
        self.values.iter().all(|value| !value.is_empty())
    }

    fn is_unique(&self) -> bool {
        let mut values: Vec<_> = self.values.iter().collect();
        values.sort_unstable();
        values.windows(2).all(|pair| pair[0] != pair[1])
    }

    fn declared(&self) -> String {
        format!("{} {}{}", self.name, self.kind(), if self.is_complete() { " NOT NULL" } else { "" })
    }
}

/// The names in the first line.
pub fn header(file: &Path) -> Result<Vec<String>> {
    let mut reader = csv::Reader::from_path(file).with_context(|| format!("cannot read {}", file.display()))?;
    let header = reader.headers().with_context(|| format!("{} is no CSV file", file.display()))?;
    ensure!(!header.is_empty(), "{} is empty: the first line of a CSV file names its columns", file.display());
    Ok(header.iter().map(str::to_owned).collect())
}

/// The newest day in a column of a file; nothing where none is written there.
pub fn newest_day(file: &Path, column: &str) -> Result<Option<jiff::civil::Date>> {
    let columns = columns(file)?;
    let days = columns
        .iter()
        .find(|other| other.name == column)
        .map(|column| column.values.iter().filter_map(|text| dataset_check::day(text)).max());
    Ok(days.flatten())
}

/// The resource for a dataset of such files, to be put into `template.yaml`; what it shares with all datasets is taken from there.
pub fn suggestion(file: &Path) -> Result<String> {
    let columns = columns(file)?;
    for Column { name, .. } in &columns {
        ensure!(
            is_column_name(name),
            "the column «{name}» can't be declared: a name is lower-case letters, digits and underscores, and begins with a letter"
        );
    }
    let Some(partition) = columns.iter().find(|column| column.kind() == "DATE" && column.is_complete()) else {
        bail!("no column of {} holds a day (such as 2026-11-20) in every row: a table needs one to be partitioned by", file.display());
    };
    // A moment or an amount tells rows apart by chance; and where a row comes again because it changed, nothing else does.
    let may_be_key = |column: &&Column| matches!(column.kind(), "STRING" | "INT" | "BIGINT") && column.is_complete() && column.is_unique();
    let key = columns.iter().find(may_be_key).unwrap_or(&columns[0]);
    let ordering = columns.iter().find(|column| column.kind() == "TIMESTAMP" && column.is_complete()).unwrap_or(partition);
    let name = name(file);
    let resource: String =
        name.split('_').flat_map(|word| word[..1].to_uppercase().chars().chain(word[1..].chars()).collect::<Vec<_>>()).collect();
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes everything");
    line(format!("  {resource}Dataset:"));
    line("    Type: AWS::CloudFormation::Stack".to_owned());
    line("    Properties:".to_owned());
    line("      TemplateURL: dataset.yaml".to_owned());
    line("      Parameters:".to_owned());
    line(format!("        Name: {name}"));
    line(format!("        RawPrefix: datasets/{name}/"));
    line(format!("        Columns: {}", columns.iter().map(Column::declared).collect::<Vec<_>>().join(", ")));
    line(format!("        KeyColumns: {}", key.name));
    line(format!("        PartitionColumn: {}", partition.name));
    line(format!("        OrderingColumn: {}", ordering.name));
    line(shared_lines()?);
    Ok(text)
}

/// What a dataset of such files would be called.
fn name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let words: Vec<_> = stem.split(|letter: char| !letter.is_ascii_lowercase()).filter(|word| !word.is_empty()).collect();
    let name: String = words.join("_").chars().take(24).collect();
    let name = name.trim_end_matches('_');
    if name.is_empty() { "files".to_owned() } else { name.to_owned() }
}

/// The lines of the first dataset from `Stack` on.
fn shared_lines() -> Result<String> {
    let template = fs::read_to_string(paths::workspace().join("template.yaml")).context("cannot read template.yaml")?;
    let from = template
        .find("        Stack: !Ref AWS::StackName")
        .context("template.yaml has no dataset any more to take the shared lines from")?;
    Ok(template[from..].lines().take_while(|line| line.starts_with("        ")).collect::<Vec<_>>().join("\n"))
}

fn columns(file: &Path) -> Result<Vec<Column>> {
    let mut columns: Vec<_> = header(file)?.into_iter().map(|name| Column { name, values: Vec::new() }).collect();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(file)?;
    for row in reader.records().take(SAMPLE) {
        let row = row.with_context(|| format!("{} is no CSV file", file.display()))?;
        for (column, value) in columns.iter_mut().zip(&row) {
            column.values.push(value.to_owned());
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        (folder, file)
    }

    #[test]
    fn a_file_is_declared_by_what_stands_in_it() {
        let (_folder, file) = csv(
            "Returns 2026-11.csv",
            "return_id,returned_on,changed_at,amount,weight,is_new,note\n\
             r-1,2026-11-19,2026-11-19T08:00:00Z,10.50,0.125,true,\n\
             r-2,2026-11-20,2026-11-20T08:00:00Z,7,3,false,torn\n",
        );
        let told = suggestion(&file).unwrap();
        let lines: Vec<_> = told.lines().map(str::trim).collect();
        let columns = "return_id STRING NOT NULL, returned_on DATE NOT NULL, changed_at TIMESTAMP NOT NULL, amount DECIMAL(12,2) NOT NULL, \
                       weight DECIMAL(38,10) NOT NULL, is_new BOOLEAN NOT NULL, note STRING";
        assert_eq!(lines[0], "ReturnsDataset:");
        assert!(lines.contains(&"Name: returns") && lines.contains(&"RawPrefix: datasets/returns/"), "{told}");
        assert!(lines.contains(&format!("Columns: {columns}").as_str()), "{told}");
        assert!(lines.contains(&"KeyColumns: return_id") && lines.contains(&"PartitionColumn: returned_on"), "{told}");
        assert!(lines.contains(&"OrderingColumn: changed_at") && lines.contains(&"RawBucket: !Ref RawBucket"), "{told}");
        let declared = serde_json::json!({
            "columns": columns, "keyColumns": "return_id", "partitionColumn": "returned_on", "orderingColumn": "changed_at",
        });
        serde_json::from_value::<dataset_check::Declaration>(declared).expect("dataset-check takes it");
    }

    #[test]
    fn a_row_that_comes_again_has_its_key_all_the_same() {
        let (_folder, file) = csv(
            "returns.csv",
            "return_id,returned_on,changed_at,amount\n\
             r-1,2026-11-19,2026-11-19T08:00:00Z,10.50\n\
             r-1,2026-11-19,2026-11-19T09:00:00Z,7.25\n",
        );
        assert!(suggestion(&file).unwrap().contains("KeyColumns: return_id\n"));
    }

    #[test]
    fn the_newest_day_is_the_deliverys() {
        let (_folder, file) = csv("a.csv", "id,day\n1,2026-11-19\n2,2026-11-20\n3,tomorrow\n");
        assert_eq!(newest_day(&file, "day").unwrap(), Some(jiff::civil::date(2026, 11, 20)));
        assert_eq!(newest_day(&file, "id").unwrap(), None);
    }

    #[test]
    fn what_can_be_no_dataset_says_why() {
        let (_folder, file) = csv("a.csv", "id,amount\n1,2\n");
        assert!(suggestion(&file).unwrap_err().to_string().contains("no column of"), "no day");
        let (_folder, file) = csv("a.csv", "Order Id,day\n1,2026-11-20\n");
        assert!(suggestion(&file).unwrap_err().to_string().contains("«Order Id»"), "no name");
        let (_folder, file) = csv("a.csv", "");
        assert!(suggestion(&file).unwrap_err().to_string().contains("is empty"), "no header");
    }
}
