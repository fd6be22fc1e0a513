//! The scenario page, as it is served. That it works in a browser is for `verify browser` to see.

use std::collections::BTreeSet;

use crate::shop::Shop;

const FILES: [(&str, &str); 4] = [
    ("/", "text/html; charset=utf-8"),
    ("/page.js", "text/javascript; charset=utf-8"),
    ("/page.css", "text/css; charset=utf-8"),
    ("/icon.svg", "image/svg+xml"),
];

const SCENARIOS: [(&str, &str); 5] = [
    ("normal", "201"),
    ("product-error", "502"),
    ("inventory-timeout", "504"),
    ("long-request", "201"),
    ("out-of-stock", "409"),
];

/// A start tag, taken apart: its name, and its attributes with their values.
#[derive(Debug)]
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    /// Up to the next tag.
    text: &'a str,
}

/// The start tags of a page that quotes all values and has no `>` in them, as ours.
fn tags(page: &str) -> Vec<Tag<'_>> {
    page.split('<')
        .skip(1)
        .filter(|piece| !piece.starts_with(['/', '!']))
        .map(|piece| tag(piece).unwrap_or_else(|| panic!("cannot read <{piece}")))
        .collect()
}

fn tag(piece: &str) -> Option<Tag<'_>> {
    let (inside, text) = piece.split_once('>')?;
    let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let mut attributes = Vec::new();
    while let Some((key, more)) = rest.split_once("=\"") {
        let (value, after) = more.split_once('"')?;
        attributes.push((key.rsplit(' ').next()?, value));
        rest = after;
    }
    Some(Tag {
        name,
        attributes,
        text,
    })
}

impl Tag<'_> {
    fn attribute(&self, key: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| *value)
    }
}

/// What follows each `before` in `text`, up to the next `end`.
fn between<'a>(text: &'a str, before: &str, end: char) -> Vec<&'a str> {
    text.split(before)
        .skip(1)
        .map(|rest| rest.split(end).next().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_allows_nothing_that_is_not_its_own() {
    let shop = Shop::open().await;
    for (path, content_type) in FILES {
        let answer = shop.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), content_type);
        let policy: BTreeSet<_> = answer
            .header("content-security-policy")
            .split("; ")
            .collect();
        let expected = [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ];
        assert_eq!(policy, BTreeSet::from(expected));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert!(!answer.trace_id().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_refers_to_nothing_but_what_is_served_and_has_nothing_inline() {
    let shop = Shop::open().await;
    let page = shop.get("/").await.text;
    let mut references = BTreeSet::from(["/"]);
    for tag in &tags(&page) {
        for (key, value) in &tag.attributes {
            // The policy would refuse both, and the page would be dead.
            assert!(!key.starts_with("on") && *key != "style", "{tag:?}");
            if matches!(*key, "src" | "href") {
                references.insert(value);
            }
        }
        let is_inline = tag.name == "style"
            || tag.name == "script" && (tag.attribute("src").is_none() || !tag.text.is_empty());
        assert!(!is_inline, "{tag:?}");
    }
    assert_eq!(references, FILES.map(|(path, _)| path).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_of_the_page_names_another_place() {
    let shop = Shop::open().await;
    for (path, _) in FILES {
        let text = shop.get(path).await.text;
        let others: Vec<_> = between(&text, "://", '"')
            .into_iter()
            // A name, not an address; and the place to put one's own.
            .filter(|rest| !rest.starts_with("www.w3.org/2000/svg") && !rest.starts_with("HOST:"))
            .collect();
        assert!(others.is_empty(), "{path}: {others:?}");
        for way_out in ["@import", "url(", "importScripts", "\"//", "import("] {
            assert!(!text.contains(way_out), "{path}: {way_out}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_makes_no_markup_and_finds_every_element_it_asks_for() {
    let shop = Shop::open().await;
    let (page, script) = (shop.get("/").await.text, shop.get("/page.js").await.text);
    for unsafe_way in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
    ] {
        assert!(!script.contains(unsafe_way), "{unsafe_way}");
    }
    let ids: Vec<_> = tags(&page)
        .iter()
        .filter_map(|tag| tag.attribute("id").map(str::to_owned))
        .collect();
    let unique: BTreeSet<_> = ids.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    let asked = between(&script, "getElementById(\"", '"');
    assert!(!asked.is_empty());
    for id in asked {
        assert!(unique.contains(id), "{id} is not in the page");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_button_has_a_name_and_words_that_explain_it_and_runs_its_scenario() {
    let shop = Shop::open_with(&[("SHOP_FAULTS", "on")]).await;
    let page = shop.get("/").await.text;
    let tags = tags(&page);
    let buttons: Vec<_> = tags.iter().filter(|tag| tag.name == "button").collect();
    let shown: Vec<_> = buttons
        .iter()
        .map(|button| {
            let expected = button.attribute("data-expect").unwrap();
            (button.attribute("data-scenario").unwrap(), expected)
        })
        .collect();
    assert_eq!(shown, SCENARIOS);
    for button in buttons {
        let (name, expected) = (button.text, button.attribute("data-expect").unwrap());
        assert_eq!(button.attribute("data-scenario"), Some(name));
        assert_eq!(button.attribute("type"), Some("button"), "{name}");
        let about = button.attribute("aria-describedby").unwrap();
        let id = format!("id=\"{about}\"");
        let words = between(&page, &id, '\n').remove(0);
        assert!(words.starts_with(&format!("><b>{expected}")), "{words}");
        assert!(words.len() > 60, "{name} is hardly explained: {words}");
        let answer = shop.post(&format!("/api/scenarios/{name}")).await;
        assert_eq!(answer.status, 201, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_a_reader_of_it_needs_to_know() {
    let shop = Shop::open().await;
    let page = shop.get("/").await.text;
    let tags = tags(&page);
    let has = |name: &str, key: &str, value: &str| {
        let mut named = tags.iter().filter(|tag| tag.name == name);
        assert!(
            named.any(|tag| tag.attribute(key) == Some(value)),
            "<{name} {key}=\"{value}\">"
        );
    };
    has("html", "lang", "en");
    has("meta", "name", "viewport");
    has("p", "aria-live", "polite");
    has("p", "role", "alert");
    // Each of these names a heading that exists.
    for labelled in tags
        .iter()
        .filter_map(|tag| tag.attribute("aria-labelledby"))
    {
        has("h2", "id", labelled);
    }
    let headings = tags.iter().filter(|tag| tag.name == "h1");
    assert_eq!(headings.count(), 1);
    let style = shop.get("/page.css").await.text;
    for needed in [
        "prefers-color-scheme: dark",
        "prefers-reduced-motion",
        ":focus-visible",
    ] {
        assert!(style.contains(needed), "{needed}");
    }
}
