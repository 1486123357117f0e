//! The page of a report in a real browser: what it shows, what it does, and what it does not do.

use crate::chromium::{Browser, chromium};
use crate::common;

use common::skipped;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use wattmul::analysis::law::Law;
use wattmul::analysis::overview::Overview;
use wattmul::analysis::sweep::Sweep;
use wattmul::analysis::{summary, validity};
use wattmul::operands::{Dtype, Init, Matrix, Operand};
use wattmul::record::text::printable;
use wattmul::record::{Inputs, Record};
use wattmul::report::content;
use wattmul::report::content::{atlas, sweep as told, types};
use wattmul::report::plot;
use wattmul::report::plot::{DotRow, Ink, Layout, Rows, Shape};
use wattmul::report::{html, markdown, terminal};
use wattmul::run::PlanOptions;
use wattmul::simulate::{MODELS, Model, Simulation};

/// Large enough that a product outlasts what surrounds it, and small enough that the matrices are made in no time.
const SIZE: usize = 1024;

fn simulated(model: usize, seed: u64, no_sensor: Option<&str>) -> Record {
    run(MODELS[model], PlanOptions { seed, ..PlanOptions::default() }, no_sensor)
}

/// A run of a board, a short one but for an atlas, which takes more to be believed.
fn run(model: Model, options: PlanOptions, no_sensor: Option<&str>) -> Record {
    let options = PlanOptions { quick: options.init.len() == 2, size: Some(SIZE), ..options };
    let plan = wattmul::run::simulated::plan(&model, &options).unwrap();
    let truth = wattmul::run::simulated::truth(&model, &plan).unwrap();
    wattmul::run::simulated::undisturbed(&Simulation::new(model, plan, false), truth, no_sensor).unwrap()
}

/// The same readings, as if a GPU of that name had given them.
fn measured(name: &str, mut record: Record) -> Record {
    record.adapter.name = name.into();
    record.adapter.backend = "vulkan".into();
    record.truth = None;
    for &init in &record.plan.inits {
        let digest = |operand| Matrix { init, operand, seed: record.plan.seed, size: SIZE }.digest();
        record.inputs.insert(
            init,
            Inputs {
                digest_a: digest(Operand::A),
                digest_b: digest(Operand::B),
                scale_a: None,
                scale_b: None,
                activity: None,
                activity_exchanged: None,
                origin_a: None,
                origin_b: None,
            },
        );
    }
    record.verdict = validity::of(&record);
    record
}

/// What a stranger could call a GPU.
const HOSTILE: [&str; 6] = [
    "<script>window.harmed = 1</script>",
    "\"><img src=https://example.invalid/x.png onerror='window.harmed = 2'>",
    "</style></title></svg><style>body { display: none }</style>",
    "a | b\n| c | [link](javascript:window.harmed=3) `code` ![i](https://example.invalid/y.png)",
    "\u{1b}[31mred\u{1b}[0m\u{7} \u{202e}drowkcab\u{2066}\u{feff}\u{ad}\u{e0041}",
    "{{7*7}} ${window.harmed=4} <!-- --> ]]> &lt;b&gt; a name that goes on and on and on without an end that anybody can see",
];

/// One of twelve cards of one model, of which the eighth stands out. Half of them have names that strangers gave them.
fn card(number: usize) -> Record {
    let mut model = MODELS[0];
    if number == 7 {
        model.gpu.zeros_w *= 0.8;
    }
    let mut record = run(model, PlanOptions { seed: number as u64, ..PlanOptions::default() }, None);
    // Another seed is another group, and here it was for the noise alone.
    record.plan.seed = 0;
    record.adapter.pci_address = Some(format!("0000:{number:02x}:00.0").parse().unwrap());
    // What --label takes; other labels make no good record.
    let label = |name: &&str| printable(name).chars().take(100).collect();
    record.run.label = HOSTILE.get(number).map(label);
    record
}

const CARDS: usize = 12;

/// All inits, on a GPU with a stranger's name.
fn an_atlas() -> Record {
    let record =
        run(MODELS[0], PlanOptions { init: Init::ALL.map(Into::into).to_vec(), ..PlanOptions::default() }, None);
    named(HOSTILE[3], record)
}

const CLOCKS: [u32; 4] = [600, 900, 1200, 1380];

/// A sweep, on another such GPU.
fn a_sweep() -> impl Iterator<Item = Record> {
    let options = |mhz| PlanOptions { lock_clock: Some(mhz), sweep: Some("1a2b3c4d".into()), ..PlanOptions::default() };
    CLOCKS.into_iter().map(move |mhz| named(HOSTILE[5], run(MODELS[2], options(mhz), None)))
}

/// Two more types, on a third.
fn of_two_types() -> impl Iterator<Item = Record> {
    let options = |dtype| PlanOptions { dtype, ..PlanOptions::default() };
    [Dtype::F16, Dtype::I8].into_iter().map(move |dtype| named(HOSTILE[2], run(MODELS[1], options(dtype), None)))
}

fn named(name: &str, mut record: Record) -> Record {
    record.adapter.name = name.into();
    record
}

/// Rows of the simulated groups in all: an atlas has one beside those of two inits, and the others by themselves.
const SIMULATED: usize = 3 + CARDS + HOSTILE.len() + 1 + CLOCKS.len() + 2;

/// A folder with three GPUs, three models, a fleet and some hostile strangers.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let save = |record: Record| drop(record.save(folder.path()).unwrap());
    for (model, name) in
        [(0, "NVIDIA A100-PCIE-40GB"), (2, "Tesla V100-SXM2-16GB"), (6, "AMD Instinct MI210 (RADV ALDEBARAN)")]
    {
        save(measured(name, simulated(model, 0, None)));
    }
    save(measured("Intel Arc B580", simulated(1, 0, Some("the sensor's <b>library</b> is missing"))));
    for model in [1, 4, 7] {
        save(simulated(model, 0, None));
    }
    (0..CARDS).map(card).for_each(save);
    [an_atlas()].into_iter().chain(a_sweep()).chain(of_two_types()).for_each(save);
    for (seed, name) in HOSTILE.into_iter().enumerate() {
        // A seed of its own is a group of its own.
        let mut record = simulated(seed % MODELS.len(), 1 + (seed % 2) as u64, (seed == 0).then_some(name));
        record.adapter.name = name.into();
        record.adapter.vendor = name.into();
        record.adapter.driver = Some(name.into());
        record.host.os = Some(name.into());
        record.kernel.variant = name.into();
        record.tool.version = name.into();
        if let Some(source) = &mut record.source {
            (source.api, source.device, source.api_version) = (name.into(), name.into(), Some(name.into()));
        }
        // A sensor by another name is of another family, with another calibration.
        record.summary = summary::of(&record);
        for reason in &mut record.verdict.reasons {
            (reason.message, reason.fix) = (name.into(), name.into());
        }
        save(record);
    }
    std::fs::write(folder.path().join("<img src=x onerror=alert(1)>.json"), "{").unwrap();
    folder
});

fn overview() -> Overview {
    wattmul::archive::overview(&[FOLDER.path().to_owned()], false)
}

fn page_of(overview: &Overview) -> String {
    let mut page = vec![];
    html::write(content::report(overview, true), &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

/// A page in Markdown, and its plots by name.
struct Markdown {
    text: String,
    plots: Vec<(String, String)>,
}

fn markdown_of(overview: &Overview, folder: &Path) -> Markdown {
    let (mut text, mut plots) = (vec![], vec![]);
    let mut save = |name: &str, plot: &str| {
        plots.push((name.to_owned(), plot.to_owned()));
        Ok(())
    };
    markdown::write(content::report(overview, true), folder, &mut text, &mut save).unwrap();
    Markdown { text: String::from_utf8(text).unwrap(), plots }
}

/// The page of all, as a file.
static PAGE: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.html");
    std::fs::write(&path, page_of(&overview())).unwrap();
    path
});

fn no_browser() -> bool {
    skipped(chromium().is_none(), "Chromium is not installed (Debian: apt install chromium)")
}

/// Nothing was complained of, nothing but the page itself was asked for, and no name was executed.
fn assert_quiet(browser: &mut Browser) {
    assert_eq!(browser.evaluate("window.harmed ?? null"), Value::Null);
    let said: Vec<&Value> = ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"]
        .into_iter()
        .flat_map(|kind| browser.of_kind(kind))
        .collect();
    assert!(said.is_empty(), "{said:#?}");
    let asked = browser.of_kind("Network.requestWillBeSent");
    let urls: Vec<&str> = asked.iter().map(|request| request["request"]["url"].as_str().unwrap()).collect();
    let own = |url: &&str| url.starts_with("file://") && url.ends_with("report.html") || *url == "data:,";
    assert!(urls.iter().all(own), "{urls:?}");
}

#[test]
fn the_records_of_these_tests_are_good_but_for_the_broken_one() {
    let overview = overview();
    assert_eq!(overview.problems.len(), 1, "{:?}", overview.problems);
    assert_eq!(overview.measured.iter().map(|group| group.rows.len()).sum::<usize>(), 4);
    assert_eq!(overview.simulated.iter().map(|group| group.rows.len()).sum::<usize>(), SIMULATED);
}

/// The words in drawings that are seen which lie outside of their drawing, or on each other.
const MISPLACED: &str = "[...document.querySelectorAll('svg')].filter(svg => svg.getClientRects().length).flatMap(svg => {
    const box = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map(text => [text.textContent.trim(), text.getBoundingClientRect()]);
    const outside = texts.filter(([, own]) => own.width > 0 && (own.left < box.left - 1 || own.right > box.right + 1
        || own.top < box.top - 1 || own.bottom > box.bottom + 1)).map(([text]) => text + ' is outside');
    const overlapping = texts.flatMap(([one, a], i) => texts.slice(i + 1).filter(([, b]) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3).map(([other]) => one + ' is on ' + other));
    return [...outside, ...overlapping];
})";

#[test]
fn one_gpu_and_forty_of_long_names_find_their_room() {
    if no_browser() {
        return;
    }
    let mut browser = Browser::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plot.svg");
    for (count, from_zero) in [(1, false), (1, true), (40, false), (40, true)] {
        let row = |i: usize| {
            let value = 1.0 + i as f64 / 50.0;
            DotRow {
                name: format!("NVIDIA RTX PRO {i}000 BLACKWELL MAX-Q WORKSTATION EDITION (WWW WWW)"),
                note: i.is_multiple_of(3).then(|| "unverified-sensor, power-capped, and more that is long".into()),
                bar: None,
                span: Some((value - 0.1, value + 0.1)),
                points: vec![(value, Shape::Filled, Ink::Text)],
                figures: vec![format!("{value:.3}"), format!("{:.3} … {:.3}", value - 0.1, value + 0.1)],
            }
        };
        let rows = Rows {
            title: "Forty GPUs".into(),
            description: "A dot each.".into(),
            axis: "energy of gaussian ÷ energy of zeros, with 95 % interval".into(),
            from_zero,
            marks: vec![(1.0, "no difference".into()), (1.02, "the slide: 1.020".into())],
            columns: vec![("ratio".into(), Ink::Text, 56.0), ("95 % interval".into(), Ink::Muted, 106.0)],
            rows: (0..count).map(row).collect(),
        };
        for layout in Layout::BOTH {
            std::fs::write(&path, rows.draw(layout).unwrap().file()).unwrap();
            browser.show(&path, 800, "light");
            assert_eq!(browser.evaluate(MISPLACED), json!([]), "{count} rows, {layout:?}, from zero: {from_zero}");
            let texts = browser.evaluate("document.querySelectorAll('text').length");
            assert!(texts.as_u64().unwrap() as usize >= 3 * count, "{texts}");
        }
    }
}

#[test]
fn what_a_page_asks_for_says_and_throws_would_be_seen() {
    if no_browser() {
        return;
    }
    let mut browser = Browser::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loud.html");
    let loud = "<img src='other.png'><script>console.error('a'); setTimeout(() => { throw 1 })</script>";
    std::fs::write(&path, loud).unwrap();
    browser.show(&path, 800, "light");
    browser.evaluate("new Promise(done => setTimeout(done, 100))");
    for kind in ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"] {
        assert!(!browser.of_kind(kind).is_empty(), "{kind}");
    }
    assert_eq!(browser.of_kind("Network.requestWillBeSent").len(), 2, "the page and the picture");
}

#[test]
fn the_page_is_wide_enough_for_a_desk_and_narrow_enough_for_a_phone() {
    if no_browser() {
        return;
    }
    let mut browser = Browser::start().unwrap();
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.show(&PAGE, width, scheme);
        browser.evaluate("document.querySelectorAll('details').forEach(run => { run.open = true })");
        let wide = browser.evaluate("document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= u64::from(width), "{width} {scheme}: {wide}");
        assert_eq!(browser.evaluate(MISPLACED), json!([]), "{width} {scheme}");
        let drawings =
            browser.evaluate("[...document.querySelectorAll('svg')].filter(svg => svg.getClientRects().length).length");
        assert!(drawings.as_u64().unwrap() > 20, "{drawings}");
        let paper = browser.evaluate("getComputedStyle(document.body).backgroundColor");
        let ink = browser.evaluate("getComputedStyle(document.querySelector('svg text')).fill");
        let expected = if scheme == "dark" { ("rgb(13, 17, 23)", true) } else { ("rgb(255, 255, 255)", false) };
        assert_eq!(paper, expected.0, "the style is in force");
        assert_eq!(ink != "rgb(31, 35, 40)" && ink != "rgb(89, 99, 110)", expected.1, "{ink} on {paper}");
        assert_quiet(&mut browser);
    }
}

#[test]
fn a_table_sorts_by_mouse_and_by_keyboard_and_says_so() {
    if no_browser() {
        return;
    }
    let mut browser = Browser::start().unwrap();
    browser.show(&PAGE, 1280, "light");
    let names = "[...document.querySelectorAll('#content table')][0].tBodies[0].innerText.split('\\n').map(line => line.split('\\t')[0])";
    let names = |browser: &mut Browser| -> Vec<String> { serde_json::from_value(browser.evaluate(names)).unwrap() };
    let heading = |text: &str| {
        format!(
            "[...document.querySelector('#content table').tHead.rows[0].cells].find(cell => cell.innerText.startsWith('{text}'))"
        )
    };
    let sorted =
        |browser: &mut Browser, text: &str| browser.evaluate(&format!("{}.getAttribute('aria-sort')", heading(text)));
    let by_ratio = names(&mut browser);
    assert_eq!(sorted(&mut browser, "energy ratio"), "descending");
    assert_eq!(by_ratio.last().unwrap(), "Intel Arc B580", "what has no figure stands last");

    browser.evaluate(&format!("{}.querySelector('button').click()", heading("energy ratio")));
    assert_eq!(sorted(&mut browser, "energy ratio"), "ascending");
    let mut expected: Vec<String> = by_ratio[..3].iter().rev().cloned().collect();
    expected.push("Intel Arc B580".into());
    assert_eq!(names(&mut browser), expected, "the lowest first, and what has no figure still last");

    browser.evaluate(&format!("{}.querySelector('button').focus()", heading("GPU")));
    browser.press_enter();
    assert_eq!(sorted(&mut browser, "GPU"), "ascending");
    assert_eq!(sorted(&mut browser, "energy ratio"), Value::Null, "one column alone is the sorted one");
    let by_name = names(&mut browser);
    assert!(by_name.is_sorted(), "{by_name:?}");
    assert_quiet(&mut browser);
}

#[test]
fn a_link_from_the_table_opens_the_run() {
    if no_browser() {
        return;
    }
    let mut browser = Browser::start().unwrap();
    browser.show(&PAGE, 1280, "light");
    assert_eq!(browser.evaluate("document.querySelectorAll('details[open]').length"), 0);
    browser.evaluate("document.querySelector('#content tbody a').click()");
    browser.evaluate("new Promise(done => setTimeout(done, 100))");
    let open =
        browser.evaluate("[...document.querySelectorAll('details[open] h3')].map(h => h.innerText.split(' ·')[0])");
    let linked = browser.evaluate("[document.querySelector('#content tbody a').innerText]");
    assert_eq!(open, linked);
    assert_quiet(&mut browser);
}

#[test]
fn the_page_is_built_for_those_who_do_not_see_it() {
    if no_browser() {
        return;
    }
    let mut browser = Browser::start().unwrap();
    browser.show(&PAGE, 1280, "light");
    let all = |what: &str| {
        format!(
            "[...document.querySelectorAll('*')].filter(element => {what}).map(element => element.outerHTML.slice(0, 200))"
        )
    };
    for wrong in [
        "element.matches('table') && !element.caption?.textContent",
        "element.matches('th') && !element.scope",
        "element.matches('svg') && !(element.getAttribute('role') === 'img' && element.querySelector('title').textContent && element.querySelector('desc').textContent)",
        "element.matches('a') && !element.textContent",
        "element.matches('a[href^=\"#\"]') && !document.getElementById(element.getAttribute('href').slice(1))",
        "element.id && document.querySelectorAll('#' + CSS.escape(element.id)).length > 1",
        "element.hasAttribute('aria-labelledby') && !document.getElementById(element.getAttribute('aria-labelledby'))",
        "element.hasAttribute('style') || [...element.attributes].some(attribute => attribute.name.startsWith('on'))",
        "element.matches('th[aria-sort]') && !element.querySelector('button')",
        "element.matches('img, iframe, object, embed, base, form, link:not([rel=icon])')",
    ] {
        assert_eq!(browser.evaluate(&all(wrong)), json!([]), "{wrong}");
    }
    for landmark in ["header", "nav[aria-label]", "main", "footer", "a.skip[href='#content']", "html[lang=en]"] {
        assert_eq!(browser.evaluate(&format!("document.querySelectorAll(\"{landmark}\").length")), 1, "{landmark}");
    }
    let levels = browser.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1])");
    let levels: Vec<u8> = serde_json::from_value(levels).unwrap();
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "no level is left out: {levels:?}");
    assert_quiet(&mut browser);
}

#[test]
fn without_its_script_the_page_still_says_everything() {
    if no_browser() {
        return;
    }
    let mut browser = Browser::start().unwrap();
    browser.command("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.show(&PAGE, 1280, "light");
    let text = browser.evaluate("document.querySelector('#content table').innerText").to_string();
    assert!(text.contains("energy ratio") && text.contains("NVIDIA A100-PCIE-40GB"), "{text}");
    assert_eq!(browser.evaluate("document.querySelectorAll('button').length"), 0, "no button that does nothing");
}

#[test]
fn hostile_names_are_shown_and_nothing_more() {
    let page = page_of(&overview());
    // Every tag is one of ours, and every attribute that could act is none of theirs.
    for tag in ["<script", "<style", "<img", "</style", "<!--"] {
        let ours = match tag {
            "<script" | "<style" | "</style" => 1,
            _ => 0,
        };
        assert_eq!(page.matches(tag).count(), ours, "{tag}");
    }
    let unseen = |c: char| {
        c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2066}' | '\u{feff}' | '\u{ad}' | '\u{e0041}')
    };
    assert_eq!(page.chars().filter(|&c| unseen(c)).count(), 0);
    assert!(page.contains("&lt;script&gt;window.harmed = 1&lt;/script&gt;"));

    let Markdown { text, plots } = markdown_of(&overview(), FOLDER.path());
    assert!(!text.chars().any(unseen));
    for raw in ["<script", "<img", "</style", " `code`", " [link]", " ![i]"] {
        assert!(!text.contains(raw), "{raw}");
    }
    // Every link that no backslash takes back is one of ours.
    for (before, link) in text.split("](").zip(text.split("](").skip(1)) {
        let ours = ["measured-", "simulated-", "published.svg)", "run-2", "#simulated-", "https://arxiv.org/", "2"];
        assert!(before.ends_with('\\') || ours.iter().any(|start| link.starts_with(start)), "{link}");
    }
    // Every row has the cells of its heading, whatever is in them.
    let rows_under = |heading: &str| -> usize {
        let mut rows = 0;
        let mut lines = text.lines();
        while let Some(header) = lines.find(|line| line.starts_with(heading)) {
            for row in lines.by_ref().take_while(|line| line.starts_with('|')) {
                assert_eq!(row.matches('|').count(), header.matches('|').count(), "{row}");
                rows += usize::from(row.contains(".json) |") || row.contains("](#simulated-"));
            }
        }
        rows
    };
    assert_eq!(rows_under("| GPU | energy"), 4 + SIMULATED - CARDS + 1);
    assert_eq!(rows_under("| card |"), CARDS);
    assert_eq!(rows_under("| clock |"), 2 * CLOCKS.len());
    for heading in ["| init |", "| GPU | scope |", "| GPU | init |"] {
        assert!(text.contains(&format!("\n{heading}")), "{heading}");
        rows_under(heading);
    }
    for (name, plot) in &plots {
        assert!(!plot.chars().any(unseen) && !plot.contains("<script") && !plot.contains("<img"), "{name}");
        assert_eq!(plot.matches("<svg").count(), 1, "{name}");
    }
}

#[test]
fn plots_are_files_that_a_browser_takes_and_that_change_with_the_paper() {
    if no_browser() {
        return;
    }
    let mut browser = Browser::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Markdown { text, plots } = markdown_of(&overview(), FOLDER.path());
    assert!(plots.len() >= 8, "{}", plots.len());
    for (name, plot) in &plots {
        assert!(text.contains(&format!("({name})")), "{name} is shown");
        let path = folder.path().join(name);
        std::fs::write(&path, plot).unwrap();
        for (scheme, paper) in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(13, 17, 23)")] {
            browser.show(&path, 800, scheme);
            // A file that is not well-formed XML has another root.
            assert_eq!(browser.evaluate("document.documentElement.tagName"), "svg", "{name}");
            assert_eq!(browser.evaluate("getComputedStyle(document.querySelector('rect')).fill"), paper, "{name}");
            assert_eq!(browser.evaluate("document.querySelectorAll('parsererror').length"), 0, "{name}");
        }
    }
}

#[test]
fn a_record_that_went_away_is_said_to_be_away() {
    let folder = tempfile::tempdir().unwrap();
    let (gone, changed) = (simulated(0, 0, None), simulated(1, 0, None));
    let path = gone.save(folder.path()).unwrap();
    let other = changed.save(folder.path()).unwrap();
    let overview = wattmul::archive::overview(&[folder.path().to_owned()], false);
    std::fs::remove_file(&path).unwrap();
    let now = Record { protocol: "another/1".into(), ..changed };
    std::fs::write(&other, now.to_json()).unwrap();
    let page = page_of(&overview);
    assert!(page.contains("Its trace cannot be shown") && page.contains("is not there"), "{page}");
    assert!(page.contains("Its file has changed since it was read"));
}

/// Of twelve cards, one line, and the cards inside.
#[test]
fn a_fleet_is_one_row_that_opens() {
    let page = page_of(&overview());
    let name = format!("Simulated {} × {CARDS}", MODELS[0].title);
    assert_eq!(page.matches("cards of Simulated").count(), 1, "the details' heading");
    assert!(page.contains("; 1 stands out") && page.contains("<strong>ratio</strong>"));
    let markdown = markdown_of(&overview(), FOLDER.path()).text;
    let row = markdown.lines().find(|line| line.contains(&name)).unwrap();
    assert!(row.contains("(cards)") && row.ends_with("| 12 cards |"), "{row}");
    assert_eq!(markdown.lines().filter(|line| line.contains("| **ratio** |")).count(), 1, "it stands out by its ratio");
    if no_browser() {
        return;
    }
    let mut browser = Browser::start().unwrap();
    browser.show(&PAGE, 1280, "light");
    let link = format!("[...document.querySelectorAll('tbody th a')].find(a => a.innerText === '{name}')");
    browser.evaluate(&format!("{link}.click()"));
    browser.evaluate("new Promise(done => setTimeout(done, 100))");
    let rows = browser.evaluate("document.querySelectorAll('details[open] tbody tr').length");
    assert_eq!(rows, CARDS);
    let by_ratio = "document.querySelector('details[open] tbody tr').innerText.includes('ratio')";
    assert_eq!(browser.evaluate(by_ratio), true, "the one that stands out is first");
    assert_quiet(&mut browser);
}

#[test]
fn an_atlas_names_every_init_on_wide_and_on_narrow_paper() {
    let record = an_atlas();
    let law = Law::of(&record).unwrap();
    let words = atlas::explained(&law);
    assert!(words.contains("% of the variance"), "{words}");
    for layout in Layout::BOTH {
        let plot = plot::atlas::measured(&law, &record.adapter.name, &words, layout).unwrap();
        let svg = plot.inline();
        let named = |init: &&Init| svg.contains(&format!(">{init}</text>"));
        assert_eq!(Init::ALL.iter().filter(named).count(), Init::ALL.len(), "{layout:?}: {svg}");
        assert!(plot.description.contains(&words), "who does not see it is told");
        let costs = plot::atlas::costs(&law, &record.adapter.name, layout).unwrap().inline();
        assert!(law.counts.iter().all(|count| costs.contains(count.name())), "{layout:?}: {costs}");
    }
}

/// What the page says of an atlas, the other formats say too.
#[test]
fn an_atlas_says_the_same_in_every_format() {
    let page = page_of(&overview());
    let markdown = markdown_of(&overview(), FOLDER.path()).text;
    let law = Law::of(&an_atlas()).unwrap();
    for text in [&page, &markdown] {
        for words in [
            "Atlases",
            &atlas::explained(&law),
            "whatever the numbers",
            "by the law",
            "bit flips of the sums",
            "Power as measured",
            "What each count costs",
        ] {
            assert!(text.contains(words), "{words}");
        }
    }
    // An init that is off the law is named, and hollow in the plot.
    let mut record = an_atlas();
    for window in record.windows.iter_mut().filter(|window| window.init == Init::Uniform) {
        (window.power_w.counter, window.power_w.polled) = (Some(500.0), Some(500.0));
    }
    let off = Law::of(&record).unwrap();
    assert_eq!(
        off.points.iter().filter(|point| point.off).map(|point| point.init).collect::<Vec<_>>(),
        [Init::Uniform]
    );
    let hollow = |law: &Law| {
        let plot = plot::atlas::measured(law, "a card", "", Layout::Wide).unwrap().inline();
        plot.matches("fill=\"#FFFFFF\"").count()
    };
    assert!(hollow(&off) > hollow(&law));
    let told = terminal::blocks(&wattmul::report::content::summary(&record, None))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(told.contains("off the law uniform (measured "), "{told}");
}

#[test]
fn a_sweep_shows_power_and_energy_by_clock_and_the_clock_of_least_energy() {
    let overview = overview();
    let sweeps = overview.sweeps(true);
    assert_eq!((sweeps.len(), overview.sweeps(false).len()), (1, 0));
    assert_eq!(sweeps[0].iter().map(|run| run.record.plan.lock_clock_mhz).collect::<Vec<_>>(), CLOCKS.map(Some));
    let found = Sweep::of(sweeps[0].iter().map(|run| &run.record));
    let least = told::least_words(&found, &found.least_energy);
    assert!(least.contains("zeros at 1380 MHz, the highest"), "{least}");
    let page = page_of(&overview);
    let markdown = markdown_of(&overview, FOLDER.path());
    for text in [&page, &markdown.text] {
        assert!(text.contains(&least) && text.contains("Sweeps") && text.contains("whatever the clock"), "{least}");
    }
    for name in ["simulated-sweep-1-power.svg", "simulated-sweep-1-energy.svg"] {
        let plot = &markdown.plots.iter().find(|plot| plot.0 == name).unwrap().1;
        assert_eq!(plot.matches("<circle").count(), 2 * CLOCKS.len(), "a dot for each clock and init");
    }
}

#[test]
fn what_a_joule_does_in_each_type_is_one_table() {
    let overview = overview();
    assert_eq!(types::rows(&overview, false), [], "measured was one type alone");
    let rows = types::rows(&overview, true);
    let row = rows.iter().find(|row| row.gpu == HOSTILE[2]).unwrap();
    let [_, f16, f64, i8, matrix] = row.cells;
    assert!(f16.is_some() && f64.is_none() && i8.is_some() && matrix.is_none(), "{row:?}");
    assert!(f16.is_some_and(|(zeros, gaussian)| zeros > gaussian), "Gaussian numbers cost more: {row:?}");
    for text in [page_of(&overview), markdown_of(&overview, FOLDER.path()).text] {
        assert!(text.contains(types::TITLE) && text.contains(&types::cell(i8)));
    }
}

#[test]
fn an_empty_folder_makes_a_page_that_says_so() {
    let page = page_of(&Overview::default());
    assert!(page.contains("No GPU has been measured yet") && page.contains("Published elsewhere"));
    let markdown = markdown_of(&Overview::default(), Path::new("results"));
    assert!(markdown.text.contains("No GPU has been measured yet"));
    assert_eq!(markdown.plots.len(), 1, "what others published");
}

#[test]
fn what_was_not_measured_is_not_a_number() {
    let page = page_of(&overview());
    let at = page.find("Intel Arc B580").unwrap();
    let row = &page[at..at + page[at..].find("</tr>").unwrap()];
    assert_eq!(row.matches("n/a").count(), 5, "energy, above idle, their intervals, power: {row}");
    assert!(row.contains("timing-only"));
    assert!(!page.contains(">NaN") && !page.contains(">inf") && !page.contains("\"NaN"));
    assert!(Init::ALL.iter().all(|init| page.contains(&init.to_string())));
}
