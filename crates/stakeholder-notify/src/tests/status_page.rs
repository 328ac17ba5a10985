//! The nights together: the grid, the medians, `nights.json` and the feed.

use roxmltree::Document;

use super::*;

/// A month of nights before the one that the world is about, all published and all alike but for what `change` makes of them.
async fn month(change: impl Fn(u8, &mut Value)) -> World {
    let world = World::new();
    world.tell(published()).await.unwrap();
    let mut usual = world.record("nights/2026-11-20.json").await;
    usual.as_object_mut().unwrap().remove("slow");
    for day in 1..20 {
        let mut night = usual.clone();
        night["run_date"] = format!("2026-11-{day:02}").into();
        night["execution_arn"] = ARN.replace("2026-11-20", &format!("2026-11-{day:02}")).into();
        change(day, &mut night);
        if !night.is_null() {
            world.ports.objects.put(&uri(&format!("s3://site/nights/2026-11-{day:02}.json")), night.to_string());
        }
    }
    world
}

fn step<'a>(night: &'a mut Value, name: &str) -> &'a mut Value {
    night["steps"].as_array_mut().unwrap().iter_mut().find(|step| step["node"] == name).unwrap()
}

/// Lets a step end so many seconds after it began.
fn lasting(night: &mut Value, name: &str, seconds: i64) {
    let step = step(night, name);
    let start: Timestamp = step["started_at"].as_str().unwrap().parse().unwrap();
    step["ended_at"] = (start + SignedDuration::from_secs(seconds)).to_string().into();
}

/// The cells of a row of the grid, from the left.
fn row<'a>(page: &'a str, title: &str) -> Vec<&'a str> {
    let grid = page.split_once(r#"<table class="grid">"#).unwrap().1.split_once("</table>").unwrap().0;
    let row = grid.split_once(&format!(r#"<th scope="row" class="l">{title}</th>"#)).unwrap().1.split_once("</tr>").unwrap().0;
    row.split("<td").skip(1).collect()
}

#[tokio::test]
async fn each_night_is_a_column_and_each_step_a_row_of_the_grid() {
    let world = month(|day, night| match day {
        16 => {
            night["outcome"] = "FAILED".into();
            night["state"] = "EnrichCurrency".into();
            night["error"] = "RatesUnavailable".into();
            let enrich = step(night, "enrich-currency");
            enrich["state"] = "FAILED".into();
            enrich["error"] = "RatesUnavailable".into();
            enrich["tries"] = 3.into();
            for name in ["apply-fx", "data-quality-gate", "manual-approval", "publish-to-warehouse", "notify-stakeholders"] {
                *step(night, name) = json!({"node": name, "state": "NOT_REACHED", "tries": 0});
            }
        }
        18 => *night = Value::Null,
        _ => {}
    })
    .await;
    world.tell(published()).await.unwrap();
    let page = world.stored("nights/2026-11-20.html").await;
    assert!(page.contains("18 of 19 nights published. 1 run date without a night."), "{page}");
    for (title, column, expected) in [
        ("Extract orders", 0, r#"href="2026-11-01.html#extract-orders" tabindex="-1" title="1 Nov, Extract orders: 15 m 48 s">"#),
        (
            "Enrich currency",
            15,
            &format!(
                r#"executions/details/{}" tabindex="-1" title="16 Nov, Enrich currency: failed with RatesUnavailable, 3.1 s, 3 tries" class="failed""#,
                ARN.replace("2026-11-20", "2026-11-16")
            ),
        ),
        ("Apply FX", 15, r#"<span class="unreached" title="16 Nov, Apply FX: not reached">"#),
        ("Night", 15, r#"<a href="2026-11-16.html" title="16 Nov: failed, RatesUnavailable in Enrich currency, 2 h 14 m" class="failed">"#),
        ("Night", 17, r#"<span class="gap" title="18 November 2026: no night">"#),
        ("Transform orders", 19, r#"class="done" data-tries="2""#),
    ] {
        let row = row(&page, title);
        assert_eq!(row.len(), 20, "{title}");
        assert!(written::plain(row[column]).contains(expected), "{title}: {}", row[column]);
    }
    assert!(row(&page, "Extract orders")[17].starts_with("></td>"), "a day without a night is a gap");
    assert!(row(&page, "Night")[19].starts_with(r#" class="own">"#), "the page's own night stands out");
    assert!(world.stored("index.html").await.contains(r#"href="nights/2026-11-01.html#extract-orders""#), "from the index they lie deeper");
}

#[tokio::test]
async fn a_step_that_took_longer_than_it_usually_does_is_marked_as_slow() {
    let world = month(|day, night| {
        lasting(night, "transform-orders", 1_000 + i64::from(day));
        lasting(night, "manual-approval", 60);
        lasting(night, "enrich-currency", 1);
    })
    .await;
    world.tell(published()).await.unwrap();
    let record = world.record("nights/2026-11-20.json").await;
    assert_eq!(record["slow"], json!(["transform-orders"]), "neither people nor a call of seconds is ever slow");
    let page = written::plain(&world.stored("index.html").await);
    for expected in [
        "<title>Transform orders: succeeded, 22 m 06 s, slow, 2 tries</title>",
        "22 m 06 s ▲</text>",
        "Transform orders: slow.\"",
        "its median of the 19 nights before",
        r#"<td class="n median">16 m 50 s</td><td class="n change">slow, +31.3 % ▲</td>"#,
        r#"title="20 Nov, Transform orders: slow, 22 m 06 s, 2 tries" class="slow""#,
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert_eq!(world.record("nights.json").await["nights"][0]["steps"][2]["slow"], true);
}

#[tokio::test]
async fn from_four_nights_nobody_can_say_what_is_usual() {
    let world = month(|day, night| if day < 16 { *night = Value::Null } else { lasting(night, "transform-orders", 10) }).await;
    world.tell(published()).await.unwrap();
    let page = world.stored("index.html").await;
    assert!(page.contains("There are too few nights before to say how long a step usually takes."), "{page}");
    assert!(!page.contains(r#"class="n median""#) && !page.contains("▲</"), "{page}");
}

#[tokio::test]
async fn a_night_is_drawn_as_it_ran_whatever_the_definition_has_become_since() {
    let world = World::new();
    world.tell(published()).await.unwrap();
    let mut later = world.record("nights/2026-11-20.json").await;
    later["run_date"] = "2026-11-21".into();
    let weigh =
        json!({"node": "weigh-parcels", "title": "Weigh parcels", "kind": "WORK", "after": ["apply-fx"], "state": "SUCCEEDED", "tries": 1});
    later["steps"].as_array_mut().unwrap().insert(7, weigh);
    world.ports.objects.put(&uri("s3://site/nights/2026-11-21.json"), later.to_string());
    world.tell(published()).await.unwrap();
    let index = world.stored("index.html").await;
    assert!(
        index.contains("12 steps of the night of 21 November 2026. ") && index.contains("<title>Weigh parcels: succeeded</title>"),
        "{index}"
    );
    assert!(world.stored("nights/2026-11-20.html").await.contains("11 steps of the night of 20 November 2026. "));
}

#[tokio::test]
async fn a_record_of_an_earlier_version_is_still_a_night() {
    let world = month(|_, night| {
        for step in night["steps"].as_array_mut().unwrap() {
            for field in ["title", "kind", "after"] {
                step.as_object_mut().unwrap().remove(field);
            }
        }
        for field in ["slow", "redrives"] {
            night.as_object_mut().unwrap().remove(field);
        }
    })
    .await;
    let mut newest = world.record("nights/2026-11-19.json").await;
    newest["run_date"] = "2026-11-25".into();
    world.ports.objects.put(&uri("s3://site/nights/2026-11-25.json"), newest.to_string());
    world.tell(published()).await.unwrap();
    let index = world.stored("index.html").await;
    assert!(index.contains(r#"<th scope="row" class="l">Join fact, dim</th>"#), "{index}");
    assert!(index.contains(r#"<path class="edge" d="M273 36V136"/>"#), "its lines are those of today: {index}");
}

#[tokio::test]
async fn a_redriven_night_says_so() {
    let mut history = read_json(PUBLISHED).unwrap();
    let (id, at) = history.last().map(|last| (last.id, last.at)).unwrap();
    let redriven = nightly_domain::history::EventKind::Redriven;
    history.push(nightly_domain::history::HistoryEvent { id: id + 1, previous_id: 0, at, kind: redriven });
    let mut world = World::new();
    world.ports.histories = MemoryHistories::default().with(ARN, history);
    world.tell(published()).await.unwrap();
    let page = world.stored("index.html").await;
    assert!(page.contains("It had failed before, and went on from there once."), "{page}");
    assert!(row(&page, "Night")[0].contains(r#"class="done" data-tries="2""#), "{page}");
    assert_eq!(world.record("nights.json").await["nights"][0]["redrives"], 1);
}

#[tokio::test]
async fn machines_read_the_latest_nights_from_one_file() {
    let world = month(|_, _| {}).await;
    world.tell(published()).await.unwrap();
    let listing = world.record("nights.json").await;
    assert_eq!(listing["nights"].as_array().unwrap().len(), 20);
    let mut newest = listing["nights"][0].clone();
    assert_eq!(newest["steps"].as_array().unwrap().len(), 11);
    newest["steps"] = newest["steps"][4].clone();
    assert_eq!(
        newest,
        json!({
            "run_date": "2026-11-20", "run_id": "2026-11-20-a1", "execution_arn": ARN, "outcome": "PUBLISHED",
            "started_at": "2026-11-21T01:00:00Z", "ended_at": "2026-11-21T03:14:01.02Z", "seconds": 8041.02, "redrives": 0, "flags": [],
            "published_rows": 48212, "dpu_hours": "3.3828", "dollars": "1.489186", "page": "nights/2026-11-20.html",
            "record": "nights/2026-11-20.json",
            "log": format!("https://eu-central-1.console.aws.amazon.com/states/home?region=eu-central-1#/v2/executions/details/{ARN}"),
            "steps": {"node": "enrich-currency", "title": "Enrich currency", "state": "SUCCEEDED", "seconds": 3.1, "tries": 1, "slow": false},
        })
    );
    assert_eq!((&listing["schema"], &listing["written_at"]), (&json!(1), &json!("2026-11-21T03:14:02Z")));
}

#[tokio::test]
async fn a_feed_reader_can_follow_the_nights() {
    let world = month(|_, _| {}).await;
    world.tell(published()).await.unwrap();
    let text = world.stored("feed.xml").await;
    let feed = Document::parse(&text).unwrap();
    let root = feed.root_element();
    assert_eq!((root.tag_name().name(), root.tag_name().namespace()), ("feed", Some("http://www.w3.org/2005/Atom")));
    let of = |node: roxmltree::Node<'_, '_>, name: &str| {
        let found = node.children().filter(|child| child.has_tag_name(("http://www.w3.org/2005/Atom", name)));
        let texts: Vec<_> = found.map(|child| child.attribute("href").or(child.text()).unwrap_or_default().to_owned()).collect();
        texts
    };
    // Section 4.1.1: one id, title and updated each, an author, one self link.
    assert_eq!(of(root, "id"), ["arn:aws:states:eu-central-1:111122223333:stateMachine:nightly-prod-night"]);
    assert_eq!(of(root, "updated"), ["2026-11-21T03:14:01.02Z"]);
    assert_eq!(of(root, "link"), ["https://status.nordvik.example/feed.xml", "https://status.nordvik.example/index.html"]);
    assert_eq!(
        (of(root, "title").len(), root.children().filter(|child| child.has_tag_name(("http://www.w3.org/2005/Atom", "author"))).count()),
        (1, 1)
    );
    let entries: Vec<_> = root.children().filter(|child| child.has_tag_name(("http://www.w3.org/2005/Atom", "entry"))).collect();
    assert_eq!(entries.len(), 20);
    let newest = entries[0];
    assert_eq!(of(newest, "id"), [ARN]);
    assert_eq!(of(newest, "title"), ["20 Nov: Published at 03:14 UTC"]);
    assert_eq!(of(newest, "link"), ["https://status.nordvik.example/nights/2026-11-20.html"]);
    assert!(of(newest, "summary")[0].starts_with("The warehouse now holds Friday 20 November 2026."), "{text}");
    let mut ids: Vec<_> = entries.iter().flat_map(|entry| of(*entry, "id")).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20, "each entry has an id of its own");
    for entry in &entries {
        of(*entry, "updated")[0].parse::<Timestamp>().unwrap();
    }
}

#[tokio::test]
async fn a_feed_is_xml_whatever_people_wrote() {
    let no =
        "B. <Osei> rejected the build for 2026-11-20 at 2026-11-21T02:39:57Z: «Wrong \u{1} & <odd> \u{fffe}]]>». Nothing was published.";
    let rejected = execution(failed("ApprovalRejected"), "2026-11-21T02:40:00Z", Some(no));
    let mut world = World::ended(REJECTED, &rejected);
    world.ports.settings.status_page_url = None;
    world.hear(&rejected).await.unwrap();
    let text = world.stored("feed.xml").await;
    let feed = Document::parse(&text).unwrap();
    let summary = feed.descendants().find(|node| node.has_tag_name("summary")).unwrap();
    assert!(summary.text().unwrap().contains("“Wrong & <odd> ]]>”"), "{text}");
    assert!(
        text.contains(r#"<link rel="self" type="application/atom+xml" href="feed.xml"/>"#),
        "without an address, links are relative: {text}"
    );
}

#[tokio::test]
async fn the_same_nights_make_the_same_bytes() {
    let world = month(|_, _| {}).await;
    let mut before = Vec::new();
    for time in 0..3 {
        world.tell(published()).await.unwrap();
        let mut now = Vec::new();
        for key in ["nights/2026-11-20.json", "nights/2026-11-20.html", "index.html", "nights.json", "feed.xml"] {
            now.push(world.stored(key).await);
        }
        assert!(time == 0 || now == before);
        before = now;
    }
}

#[tokio::test]
async fn a_page_of_thirty_nights_stays_below_120_000_bytes() {
    let world = month(|_, _| {}).await;
    let night = world.stored("nights/2026-11-19.json").await;
    for day in 15..=31 {
        let date = format!("2026-10-{day:02}");
        world.ports.objects.put(&uri(&format!("s3://site/nights/{date}.json")), night.replace("\"2026-11-19\"", &format!("\"{date}\"")));
    }
    world.tell(published()).await.unwrap();
    let page = world.stored("index.html").await;
    assert_eq!(row(&page, "Night").len(), 30);
    assert!(page.len() < 120_000, "{}", page.len());
    assert_eq!(world.record("nights.json").await["nights"].as_array().unwrap().len(), 30);
}
