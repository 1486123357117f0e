//! What needs a browser.

#[path = "../common/mod.rs"]
mod common;

mod chromium;
mod report_page;
