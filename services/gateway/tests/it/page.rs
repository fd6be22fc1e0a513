//! The scenario page.

use crate::shop::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_allows_nothing_that_is_not_its_own() {
    let shop = Shop::open().await;
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
    ] {
        let answer = shop.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), content_type);
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert!(!answer.trace_id().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_refers_to_nothing_but_what_is_served_and_has_nothing_inline() {
    let shop = Shop::open().await;
    let page = shop.get("/").await.text;
    let mut references = Vec::new();
    for attribute in ["src=\"", "href=\""] {
        references.extend(
            page.split(attribute)
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap()),
        );
    }
    references.sort_unstable();
    assert_eq!(references, ["/page.css", "/page.js"]);
    // The policy would refuse each of these, and the page would be dead.
    for inline in ["<style", "style=", "onclick", "javascript:", "<script>"] {
        assert!(!page.contains(inline), "{inline}");
    }
    let script = shop.get("/page.js").await.text;
    for unsafe_way in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
    ] {
        assert!(!script.contains(unsafe_way), "{unsafe_way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scenario_has_a_button_that_runs_it_and_words_that_explain_it() {
    let shop = Shop::open_with(&[("SHOP_FAULTS", "on")]).await;
    let page = shop.get("/").await.text;
    let names: Vec<_> = page
        .split("data-scenario=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "normal",
            "product-error",
            "inventory-timeout",
            "long-request",
            "out-of-stock"
        ]
    );
    for name in names {
        assert!(
            page.contains(&format!("aria-describedby=\"about-{name}\"")),
            "{name}"
        );
        assert!(page.contains(&format!("id=\"about-{name}\"")), "{name}");
        assert_eq!(
            shop.post(&format!("/api/scenarios/{name}")).await.status,
            201,
            "{name}"
        );
    }
    for needed in [
        "name=\"viewport\"",
        "aria-live=\"polite\"",
        "<html lang=\"en\">",
        "<h1>",
    ] {
        assert!(page.contains(needed), "{needed}");
    }
}
