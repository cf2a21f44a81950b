//! The PowerShell scripts are PowerShell: parsed by PowerShell itself where it is installed, and by a real grammar everywhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed assumption fails the test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use tree_sitter::{Node, Parser};

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "ps1")).collect();
    assert!(!found.is_empty(), "there are no .ps1 scripts");
    found
}

/// The first place that is not PowerShell, as line and text.
fn fault(text: &str) -> Option<String> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).unwrap();
    let tree = parser.parse(text, None).unwrap();
    fn find(node: Node<'_>, text: &str) -> Option<String> {
        if node.is_error() || node.is_missing() {
            let line = node.start_position().row + 1;
            return Some(format!("line {line}: {}", node.utf8_text(text.as_bytes()).unwrap_or_default()));
        }
        let mut cursor = node.walk();
        node.children(&mut cursor).find_map(|child| find(child, text))
    }
    find(tree.root_node(), text)
}

#[test]
fn the_grammar_accepts_every_script() {
    for path in scripts() {
        assert_eq!(fault(&std::fs::read_to_string(&path).unwrap()), None, "{}", path.display());
    }
}

#[test]
fn the_grammar_accepts_what_the_manuals_have_people_paste() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for block in text.split("```powershell\n").skip(1) {
            let block = block.split("\n```").next().unwrap_or_default();
            assert_eq!(fault(block), None, "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 0, "there are none");
}

#[test]
fn the_grammar_would_see_a_slip() {
    for broken in ["if ($a { 1 }", "function f( { }", "$a = @{ b = 1", "foreach ($a in $b { }"] {
        assert!(fault(broken).is_some(), "{broken}");
    }
}

#[test]
fn nothing_in_them_is_newer_than_windows_powershell_5() {
    // The grammar is of PowerShell 7; what 5.1 does not have: chains, null-coalescing, ternaries, parallel loops, and text beyond ASCII
    // in a file without byte order mark.
    for path in scripts() {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.is_ascii(), "{}: 5.1 reads a file without mark in the local code page", path.display());
        for newer in [" && ", " || ", "??", "?.", " ? ", "-Parallel", "-AsHashtable", "Test-Json", "clean {"] {
            let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
            let line = code.iter().find(|line| line.contains(newer) && !line.contains("(?:"));
            assert_eq!(line, None, "{}: `{newer}`", path.display());
        }
    }
}

#[test]
fn cmd_is_given_its_line_in_one_pair_of_quotes_whatever_the_paths() {
    // What PowerShell makes of an argument for a native program (5.1, and 7 for cmd): quotes around it when a space is outside of quotes.
    fn passed(argument: &str) -> String {
        let bare = argument.split('"').step_by(2).any(|outside| outside.contains(' '));
        if bare { format!("\"{argument}\"") } else { argument.to_owned() }
    }
    // What cmd /s makes of that: the first and the last quote go.
    fn run(command_line: &str) -> &str {
        command_line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(command_line)
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/run-nightly.ps1");
    let text = std::fs::read_to_string(script).unwrap();
    let calls: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("& $env:ComSpec /d /s /c ")).collect();
    assert_eq!(calls.len(), 2);
    for path in ["C:\\ml\\nightly.env", "C:\\Program Files\\M L\\nightly.env"] {
        let line = format!("ml-health --config \"{path}\" <NUL | ml-report >\"{path}\"");
        for call in &calls {
            let argument =
                call.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(call).replace("`\"", "\"").replace("$line", &line);
            assert_eq!(run(&passed(&argument)), line, "{call}");
        }
    }
}

#[test]
fn powershell_itself_accepts_every_script() {
    let program =
        ["pwsh", "powershell"].into_iter().find(|name| Command::new(name).args(["-NoProfile", "-Command", "exit 0"]).output().is_ok());
    let Some(program) = program else {
        ml_tests::skip::report("powershell_itself_accepts_every_script", "PowerShell is not installed; the grammar test stands in");
        return;
    };
    for path in scripts() {
        let script = format!(
            "$e = $null; [void][Management.Automation.Language.Parser]::ParseFile('{}', [ref]$null, [ref]$e); if ($e.Count) {{ $e; exit 1 }}",
            path.canonicalize().unwrap().display()
        );
        let output = Command::new(program).args(["-NoProfile", "-Command", &script]).output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stdout));
    }
}
