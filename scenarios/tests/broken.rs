//! Every way to break a scenario file that we know of, each with the pinned answer that a person gets.

mod common;

use common::{folder, gallery, registry, rendered};
use wavetank_scenarios::Plan;

#[test]
fn broken_files_get_their_pinned_diagnostics() {
    let files = folder("tests/broken");
    assert!(files.len() >= 30, "there are {} broken files", files.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("broken/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, text) in &files {
            let problems = Plan::read(name, text, &registry()).expect_err(name);
            assert!(!problems.is_empty(), "{name} is refused without a reason");
            insta::assert_snapshot!(name.trim_end_matches(".toml"), rendered(&problems));
        }
    });
}

#[test]
fn every_problem_has_a_place_in_the_text_and_most_a_remedy() {
    for (name, text) in folder("tests/broken") {
        let problems = Plan::read(&name, &text, &registry()).expect_err(&name);
        for problem in &problems {
            let span = problem.span();
            assert!(span.start <= span.end && span.end <= text.len(), "{name}: {problem} at {span:?}");
            let (line, column) = problems.position(problem);
            assert!(line >= 1 && column >= 1);
            let remediless = ["syntax", "expression", "config"];
            assert!(
                problem.remedy().is_some() || remediless.contains(&problem.code().as_str()),
                "{name}: no remedy for: {problem}"
            );
        }
    }
}

mod mutated {
    use proptest::prelude::*;

    use super::*;

    /// What is put into a text: pieces that mean something somewhere.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\PC{0,6}",
            prop::sample::select(vec![
                "\"",
                "'",
                "[",
                "]",
                "{",
                "}",
                "=",
                "\n",
                "*",
                "{n}",
                "/",
                "-1",
                "0",
                "18446744073709551616",
                "1e999",
                "nan",
                "\"\"\"",
                "\\",
                "\\u0000",
                "\u{feff}",
                "é",
                "[[fault]]",
                "[node.hub]",
                "calm",
                "(((((((((((((",
                "!!!!!!!!!!!!!!",
                "true ? ",
                "9223372036854775807 + ",
                "[network.lan]",
                "\"[z-a]\"",
                "\"{{{\"",
                "\"!\"",
                "\"**/**\"",
                "::/0",
                "1000000",
            ])
            .prop_map(ToOwned::to_owned),
        ]
    }

    fn mutate(text: &str, edits: &[(prop::sample::Index, usize, String)]) -> String {
        let mut text: Vec<char> = text.chars().collect();
        for (at, cut, piece) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + cut).min(text.len());
            text.splice(at..end, piece.chars());
        }
        text.into_iter().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn gallery_files_never_cause_a_panic(
            file in any::<prop::sample::Index>(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, piece()), 1..6),
        ) {
            let gallery = gallery();
            let (name, text) = &gallery[file.index(gallery.len())];
            let text = mutate(text, &edits);
            if let Err(problems) = Plan::read(name, &text, &registry()) {
                prop_assert!(!problems.is_empty(), "refused without a reason:\n{text}");
                for problem in &problems {
                    prop_assert!(problem.span().end <= text.len(), "{problem} at {:?} of:\n{text}", problem.span());
                }
                let _ = rendered(&problems);
            }
        }
    }
}
