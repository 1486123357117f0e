//! What does not come from records: how to read a report, what others published, how to contribute.

use crate::report::page::{Block, Cell, Span, Table, Target, Text, code, figures, number, strong, text};
use crate::report::plot::groups;
use crate::report::published::{Publication, Published};
use crate::report::{published, units};

/// What it is about.
pub(super) fn question<'a>() -> Block<'a> {
    Block::paragraph(
        "Multiply two matrices of zeros, then two of Gaussian numbers: the same code, the same count of operations, \
         and yet not the same energy. Which transistors switch depends on the data, and each switch costs.",
    )
}

/// How to read ratios, intervals and verdicts.
pub(super) fn reading<'a>() -> Vec<Block<'a>> {
    vec![
        Block::Paragraph(text![
            "An ",
            strong("init"),
            " is how the operands are initialised: zeros, Gaussian numbers, and others. The first of a run is its \
             reference. The ",
            strong("ratio"),
            " says how many times the energy of a product of the reference a product of another init takes on the \
             same GPU, by the same kernel; 1 means that the data does not matter. Energy is mean power times the \
             time of a product, both from the same windows of back-to-back work: a GPU whose power limit slows its \
             clock pays in time what it does not pay in watts. The ratio above idle is that of the work alone: \
             of power less the idle power of a board as warm. One sensor shows both, so that its offset cancels in each \
             difference, and its gain in their ratio. It compares chips, where the ratio of energy is what the bill pays.",
        ]),
        Block::Paragraph(text![
            "The ",
            strong("95 % interval"),
            " comes from the scatter of the rounds of one run, in which the inits take turns in an order that flips: \
             in 95 of 100 runs it holds what the sensor would show in rounds without end. A sensor's gain cancels in \
             a ratio; its offset does not, and nobody without a meter can take it out. Watts of different sensors \
             carry some ±10 %, and watts of a whole board and of a chip alone are different things: they are never \
             shown on one scale.",
        ]),
        Block::Paragraph(text![
            "The ",
            strong("verdict"),
            " says whether to believe a run. Valid: all checks hold. Power-capped: the power limit slowed the clock. \
             Unverified-sensor: energy was measured, but the sensor failed a cross-check. Timing-only: no sensor, so \
             no energy (n/a). Every reason stands under its group, and with its run.",
        ]),
    ]
}

/// Before what no GPU made.
pub(super) fn simulated<'a>() -> Vec<Block<'a>> {
    vec![Block::Warning(text![
        strong("No GPU was measured here."),
        " Models of boards made these runs in virtual time. They show what a run looks like and how well the \
         protocol finds a truth that is known; they say nothing about any real GPU.",
    ])]
}

/// Figures of others.
pub(super) fn published<'a>() -> Vec<Block<'a>> {
    let row = |publication: &Publication, row: &Published| -> Vec<Cell> {
        let [zeros, gaussian] = row.figures(&publication.unit);
        let others = [zeros, gaussian, Published::pair(row.clock_mhz), Published::pair(row.temperature_c)];
        let head = [row.title().into(), number(Some(row.ratio), units::figure), publication.quantity.name().into()];
        head.into_iter().chain(others.map(figures)).collect()
    };
    let source = |Publication { source, url, setting, caution, .. }: &Publication| {
        let source = match url {
            Some(url) => Span::Link(source.clone(), Target::Url(url.clone())),
            None => source.as_str().into(),
        };
        text![source, format!(": {setting}. {caution}")]
    };
    let all = published::publications;
    vec![
        Block::paragraph(
            "Figures of others, found with other kernels and sensors. They are here to hold results against; none \
             was measured by this program.",
        ),
        Block::List(all().iter().map(source).collect()),
        Block::figure(
            "published".into(),
            "Ratios of energy (filled dot) and of power (hollow dots).",
            groups::published,
        ),
        Block::Table(Table::new(
            "published-figures",
            "Published figures",
            ["GPU and type", "ratio", "of", "zeros", "Gaussian", "MHz, zeros / Gaussian", "°C, zeros / Gaussian"],
            all().iter().flat_map(|publication| publication.rows.iter().map(move |of| row(publication, of))),
        )),
    ]
}

/// How a reader adds a record.
pub(super) fn contributing<'a>() -> Vec<Block<'a>> {
    let steps: [Text; 4] = [
        text![
            "Measure, with nothing else running: ",
            code("cargo run --release"),
            " (on Linux, ",
            code("-- --backend vulkan"),
            " after it). It takes four to five minutes, and saves a record into ",
            code("results/"),
            ".",
        ],
        text![
            "Check the record: ",
            code("wattmul validate results/FILE.json"),
            ". A file that was changed by hand fails here. A verdict that is not valid is no shame, but says what to \
             fix; timing-only runs are welcome.",
        ],
        text!["Make the page anew: ", code("wattmul report results --format markdown --output results/README.md"), ".",],
        text!["Open a pull request with the record and the page."],
    ];
    vec![
        Block::Steps(steps.into()),
        Block::paragraph(
            "What a record tells of a machine: the GPU, its driver and PCI address, its sensor and power limit; the \
             operating system, its kernel, the CPU's name and number of cores; the time of the run. What it does not \
             tell: the machine's or the user's name, serial numbers, UUIDs, network addresses. Read it before you \
             send it: it is one JSON file.",
        ),
    ]
}
