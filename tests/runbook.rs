//! Every error name that somebody can meet has a page in the runbook, and every page is of use.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::asl::DEFINITIONS;
use crate::project;

#[test]
fn every_name_has_its_page_and_every_page_a_name() {
    let endings = names_after("Endings of a question ");
    let nights = names_after("Endings of a night ");
    let builds = names_after("Endings of a dataset's build ");
    let alarms = names_after("Alarms, ");
    assert!(endings.len() > 3 && alarms.len() > 5, "{endings:?} {alarms:?}");
    assert_eq!(pages(), names_of_the_architecture().into_iter().chain(endings).chain(nights).chain(builds).chain(alarms).collect());
}

#[test]
fn notices_link_to_every_page_but_those_of_alarms() {
    let linked: BTreeSet<_> = stakeholder_notify::RUNBOOK.iter().map(|name| (*name).to_owned()).collect();
    let others = names_after("Alarms, ");
    assert_eq!(linked, &pages() - &others);
}

#[test]
fn every_name_that_is_raised_is_listed_and_every_listed_name_is_raised() {
    let raised: BTreeSet<_> = names_in_the_definitions().into_iter().chain(names_in_rust()).chain(names_in_glue()).collect();
    assert_eq!(raised, names_of_the_architecture());
}

#[test]
fn a_page_says_what_it_means_what_was_kept_and_what_to_do() {
    for name in pages() {
        let page = project::read(&format!("docs/runbook/{name}.md"));
        let (meaning, rest) = page.split_once("\n\n## What was kept\n\n").unwrap_or_else(|| panic!("{name} says what was kept"));
        let (kept, to_do) = rest.split_once("\n\n## What to do\n\n").unwrap_or_else(|| panic!("{name} says what to do"));
        let meaning = meaning.strip_prefix(&format!("# {name}\n\n")).unwrap_or_else(|| panic!("{name} begins with its name"));
        for (part, text) in [("means", meaning), ("kept", kept), ("do", to_do)] {
            assert!(text.trim_end().ends_with(['.', '`']) && text.len() > 20, "{name}, {part}: «{text}»");
        }
        assert!(!commands(&page).is_empty(), "{name} has a command to paste");
    }
}

#[test]
fn the_index_leads_to_every_page() {
    let index = project::read("docs/runbook/README.md");
    for name in pages() {
        assert!(index.contains(&format!("[{name}]({name}.md)")), "the index lacks {name}");
    }
}

#[test]
fn commands_use_only_what_the_index_sets_up() {
    let index = project::read("docs/runbook/README.md");
    let set_up = commands(&index).concat();
    for name in pages() {
        for command in commands(&project::read(&format!("docs/runbook/{name}.md"))) {
            for variable in
                variables(&command).filter(|variable| variable.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_'))
            {
                assert!(set_up.contains(&format!("export {variable}=")), "{name}: ${variable} in «{command}»");
            }
            for function in ["output", "parameter", "queue_arn", "topic_arn", "query"] {
                let called = command.contains(&format!("$({function} ")) || command.starts_with(&format!("{function} "));
                assert!(!called || set_up.contains(&format!("\n{function}() {{")), "{name}: {function} in «{command}»");
            }
        }
    }
}

#[test]
fn the_outputs_that_the_index_reads_are_the_stacks() {
    let template = project::read("template.yaml");
    let outputs = template.split_once("\nOutputs:\n").expect("the template has outputs").1;
    let index = project::read("docs/runbook/README.md");
    let read: Vec<_> = index.split("$(output ").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(read.len() > 5, "{read:?}");
    for output in read {
        assert!(outputs.lines().any(|line| line == format!("  {output}:")), "the stack has no output {output}");
    }
}

fn pages() -> BTreeSet<String> {
    let entries = fs::read_dir(project::root().join("docs/runbook")).expect("there is a runbook");
    let files = entries.map(|entry| entry.expect("the folder can be read").file_name().into_string().expect("a page has a plain name"));
    files.filter(|file| file != "README.md").map(|file| file.strip_suffix(".md").expect("a page is Markdown").to_owned()).collect()
}

fn names_of_the_architecture() -> BTreeSet<String> {
    names_after("Error names ").into_iter().chain(names_of_a_dataset()).collect()
}

/// Those that only a dataset's build has.
fn names_of_a_dataset() -> BTreeSet<String> {
    let all = names_after("Names of a dataset's errors");
    let is_name = |name: &String| name.starts_with(char::is_uppercase);
    &all.into_iter().filter(is_name).collect() - &names_after("Error names ")
}

/// The names in the one line of ARCHITECTURE.md that begins like this.
fn names_after(beginning: &str) -> BTreeSet<String> {
    let text = project::architecture("### Functions");
    let list =
        text.lines().find(|line| line.starts_with(beginning)).unwrap_or_else(|| panic!("ARCHITECTURE.md has no line «{beginning}…»"));
    project::code_words(list).into_iter().map(str::to_owned).collect()
}

/// Names of ours have no dot: those with one are of AWS.
fn names_in_the_definitions() -> BTreeSet<String> {
    fn collect(value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                let errors = fields.get("ErrorEquals").and_then(Value::as_array).into_iter().flatten();
                let ending = fields.get("Error").filter(|_| fields.get("Type").is_some_and(|kind| kind == "Fail"));
                names.extend(errors.chain(ending).filter_map(Value::as_str).filter(|name| !name.contains('.')).map(str::to_owned));
                fields.values().for_each(|value| collect(value, names));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    for machine in DEFINITIONS {
        collect(&machine.definition(), &mut names);
    }
    assert!(["QualityFailed", "RatesUnavailable", "InvalidBackfill"].iter().all(|name| names.contains(*name)), "{names:?}");
    names
}

/// What stands between quotation marks where an error says its name.
fn names_in_rust() -> BTreeSet<String> {
    let sources = files_below("crates", "rs").into_iter().filter(|path| !path.contains("/tests"));
    let names: BTreeSet<_> = sources
        .flat_map(|path| {
            let text = project::read(&path);
            let implementations = text.split("impl Named for ").skip(1).map(|rest| rest.split("\n}\n").next().unwrap_or(rest));
            implementations.flat_map(|body| body.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
        })
        .collect();
    assert!(names.contains("RatesStale") && names.contains("InvalidInput"), "{names:?}");
    names
}

fn names_in_glue() -> BTreeSet<String> {
    let jobs = files_below("glue/jobs", "py");
    let raised = jobs.iter().flat_map(|path| {
        let text = project::read(path);
        let classes = text.lines().filter_map(|line| line.strip_prefix("class ")?.strip_suffix("(Exception):"));
        classes.map(str::to_owned).collect::<Vec<_>>()
    });
    let names: BTreeSet<_> = raised.collect();
    assert!(names.contains("MalformedRow"), "{names:?}");
    names
}

/// The files with this extension, named from the project's root.
fn files_below(folder: &str, extension: &str) -> Vec<String> {
    let entries = fs::read_dir(project::root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    entries
        .flat_map(|entry| {
            let entry = entry.expect("the folder can be read");
            let path = format!("{folder}/{}", entry.file_name().into_string().expect("a file has a plain name"));
            if entry.path().is_dir() { files_below(&path, extension) } else { vec![path] }
        })
        .filter(|path| path.ends_with(&format!(".{extension}")))
        .collect()
}

fn commands(page: &str) -> Vec<String> {
    page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("a block begins").to_owned()).collect()
}

fn variables(command: &str) -> impl Iterator<Item = &str> {
    command
        .split('$')
        .skip(1)
        .map(|rest| &rest[..rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len())])
        .filter(|name| !name.is_empty())
}
