//! `recipe list`, `recipe show` and `recipe lint`.

use minos_model::units::count;
use minos_proto::{LintReport, RecipeReport};

use super::table::{Cell, Table};
use super::text::{clean, clean_lines, labelled};
use super::{Tone, View};

/// All recipes as a table.
pub fn list(recipes: &[RecipeReport], view: View) -> String {
    let mut table = Table::new(&["step", "version", "stage", ">SBU", "description"]);
    for recipe in recipes {
        table.row([
            recipe.step.to_string().into(),
            recipe.version.to_string().into(),
            recipe.stage.as_str().into(),
            sbu(recipe.sbu_centi).into(),
            Cell::from(&recipe.description),
        ]);
    }
    table.render(view)
}

/// One recipe: its metadata, then its files. The files are text to be read or copied: their lines
/// are not wrapped.
pub fn show(recipe: &RecipeReport, files: &[(String, String)], view: View) -> String {
    let needs: Vec<_> = recipe.needs.iter().map(ToString::to_string).collect();
    let facts = [
        ("step", format!("{} {}", recipe.step, recipe.version)),
        ("about", recipe.description.clone()),
        ("stage", format!("{}, installs below {}", recipe.stage, recipe.stage.prefix())),
        ("groups", recipe.groups.join(", ")),
        ("needs", needs.join(", ")),
        ("size", format!("{} SBU", sbu(recipe.sbu_centi))),
    ];
    let mut out = String::new();
    for (label, text) in facts.iter().filter(|(_, text)| !text.is_empty()) {
        out.push_str(&labelled(&format!("{label:<8}"), text, view.width));
    }
    for (name, text) in files {
        out.push('\n');
        out.push_str(&view.paint(Tone::Strong, &format!("== {}", clean(name))));
        out.push('\n');
        out.push_str(&clean_lines(text));
        if !text.ends_with('\n') {
            out.push('\n');
        }
    }
    out
}

/// The findings of the linter, in the form editors jump to, then the totals.
pub fn lints(lints: &[LintReport], view: View) -> String {
    let mut out = String::new();
    for lint in lints {
        let (word, tone) = if lint.error { ("error", Tone::Bad) } else { ("warning", Tone::Warn) };
        let line = if lint.line == 0 { String::new() } else { format!("{}:", lint.line) };
        let text = format!("{}:{line} {word}: {}", lint.file, lint.what);
        let shown = labelled("", &text, view.width);
        out.push_str(&shown.replacen(word, &view.paint(tone, word), 1));
        if !lint.hint.is_empty() {
            out.push_str(&labelled("  hint: ", &lint.hint, view.width));
        }
    }
    let errors = lints.iter().filter(|l| l.error).count();
    let warnings = lints.len() - errors;
    out.push_str(&match (errors, warnings) {
        (0, 0) => "nothing to complain about\n".into(),
        (e, w) => format!("{}, {}\n", count(e as u64, "error"), count(w as u64, "warning")),
    });
    out
}

fn sbu(centi: u32) -> String {
    format!("{}.{:02}", centi / 100, centi % 100)
}

#[cfg(test)]
mod tests {
    use minos_model::Stage;
    use minos_proto::{LintReport, RecipeReport};

    use super::{lints, list, show};
    use crate::render::View;

    const VIEW: View = View { width: 60, color: false };

    fn recipe() -> RecipeReport {
        RecipeReport {
            step: "gcc:pass1".parse().unwrap(),
            version: "14.2.0".parse().unwrap(),
            stage: Stage::Cross,
            description: "the GNU compilers, first pass, for C and C++ only".into(),
            groups: vec!["lfs/toolchain".into(), "lfs/cross".into()],
            needs: vec!["binutils:pass1".parse().unwrap()],
            sbu_centi: 320,
        }
    }

    #[test]
    fn a_list_fits_sixty_columns() {
        let want = "step       version  stage   SBU  description\n\
                    gcc:pass1  14.2.0   cross  3.20  the GNU compilers, first\n\
                    \x20                                pass, for C and C++ only\n";
        assert_eq!(list(&[recipe()], VIEW), want);
    }

    #[test]
    fn a_recipe_with_its_files() {
        let files = [("build.sh".into(), "make\t-j2\n\x1b[31m".into())];
        let want = "step    gcc:pass1 14.2.0\n\
                    about   the GNU compilers, first pass, for C and C++ only\n\
                    stage   cross, installs below /lfs\n\
                    groups  lfs/toolchain, lfs/cross\n\
                    needs   binutils:pass1\n\
                    size    3.20 SBU\n\
                    \n\
                    == build.sh\n\
                    make    -j2\n\
                    ?[31m\n";
        assert_eq!(show(&recipe(), &files, VIEW), want);
    }

    #[test]
    fn findings() {
        let finding = |error, line| LintReport {
            error,
            file: "cross/gcc/recipe.toml".into(),
            line,
            what: "unknown key 'sorces'".into(),
            hint: "did you mean 'sources'?".into(),
        };
        let want = "cross/gcc/recipe.toml:7: error: unknown key 'sorces'\n  \
                      hint: did you mean 'sources'?\n\
                    cross/gcc/recipe.toml: warning: unknown key 'sorces'\n  \
                      hint: did you mean 'sources'?\n\
                    1 error, 1 warning\n";
        assert_eq!(lints(&[finding(true, 7), finding(false, 0)], VIEW), want);
        assert_eq!(lints(&[], VIEW), "nothing to complain about\n");
    }
}
