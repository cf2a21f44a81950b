//! The examples for schedulers: GNU parallel in earnest, Slurm against a stand-in for `sbatch`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use ml_tests::{Output, TempDir, Tool};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use support::parts::{assert_same, names, store};
use support::store::{files, generation};

fn script(name: &str) -> Tool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(name).canonicalize().unwrap();
    Tool::foreign(path).raw().env("ML_BIN", ml_tests::tool::bin_dir())
}

/// A store whose path a shell could trip over.
fn odd(axioms: &str, length: usize) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("o'dd \"n&me\" $x");
    generation(axioms, length, &path).run().expect_code(0);
    (folder, path)
}

/// Records of steps that were done, by their ids.
fn steps(output: &Output) -> Vec<String> {
    let records = output.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let steps = records.filter(|record| record["kind"] == "step" && record["status"] == "ok");
    steps.map(|record| record["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn gnu_parallel_makes_what_one_run_makes() {
    if std::process::Command::new("parallel").arg("--version").output().is_err() {
        ml_tests::skip!("GNU parallel is not installed: scripts/install-deps.sh --test");
    }
    for (axioms, first, last) in [("frege", 11, 17), ("s5", 4, 6)] {
        let (_folder, sharded) = odd(axioms, first);
        let (_other, single) = store(axioms, last);
        let last = last.to_string();
        let run = || script("derive-parallel.sh").arg(&sharded).args([&last, "3", "--", "--jobs", "2"]).run().expect_code(0);
        let output = run();
        assert_same(&sharded, &single);
        assert_eq!(steps(&output).iter().filter(|id| id.starts_with(&format!("candidates-{last}-"))).count(), 3);
        // Once more it has nothing to do.
        let before = files(&sharded);
        assert_eq!(run().stdout, "");
        assert_eq!(files(&sharded), before);
    }
}

#[test]
fn a_part_that_fails_ends_the_run_with_its_code() {
    if std::process::Command::new("parallel").arg("--version").output().is_err() {
        ml_tests::skip!("GNU parallel is not installed: scripts/install-deps.sh --test");
    }
    let (_folder, store) = odd("frege", 11);
    std::fs::write(store.join("length-7.seg"), "").unwrap();
    let output = script("derive-parallel.sh").arg(&store).args(["13", "2"]).run().expect_code(4);
    assert!(output.stdout.contains("length-7.seg is damaged"), "{}", output.stdout);
    assert!(!names(&store).iter().any(|name| name.starts_with("length-13")));
}

#[test]
fn nonsense_is_refused_by_both() {
    let (_folder, store) = odd("frege", 3);
    for name in ["derive-parallel.sh", "derive-slurm.sh"] {
        for words in [&["5"][..], &["0", "2"], &["5", "x"], &["5", "2", "--jobs"]] {
            let output = script(name).arg(&store).args(words).run().expect_code(64);
            assert!(output.stderr.contains("hint: "), "{}", output.stderr);
        }
        let output = script(name).args(["/nowhere", "5", "2"]).run().expect_code(4);
        assert!(output.stderr.contains("--store DIR makes one"), "{}", output.stderr);
    }
}

/// Runs each job when it is submitted, as Slurm would: a copy of the script in another folder, tasks of an array in any order, after the job
/// it depends on, and not at all when that failed.
const SBATCH: &str = r#"#!/bin/bash
set -eu
spool=$(dirname "$0")/spool
mkdir -p "$spool"
array='' parsable=''
echo "$*" >>"$spool/log"
while [ $# -gt 0 ]; do
    case $1 in
        --parsable) parsable=yes ;;
        --array=1-*) array=${1#--array=1-} ;;
        --dependency=afterok:*) [ "$(cat "$spool/${1#--dependency=afterok:}")" = ok ] || { echo 'its dependency is not there or failed' >&2; exit 1; } ;;
        --job-name=* | --kill-on-invalid-dep=yes | --mem=* | --cpus-per-task=*) ;;
        -*) echo "sbatch: unrecognized option $1" >&2; exit 1 ;;
        *) break ;;
    esac
    shift
done
job=$(($(find "$spool" -name '[0-9]*' | wc -l) + 100))
cp "$1" "$spool/slurm_script"
shift
verdict=ok
export SLURM_CPUS_PER_TASK=1 SLURM_MEM_PER_NODE=512
cd /
for task in $(if [ -n "$array" ]; then seq "$array" | sort -r; else echo alone; fi); do
    if [ "$task" != alone ]; then export SLURM_ARRAY_TASK_ID=$task; fi
    /bin/bash "$spool/slurm_script" "$@" >>"$spool/out" 2>&1 || verdict=failed
done
echo $verdict >"$spool/$job"
[ "$parsable" = yes ]
echo "$job;cluster"
"#;

#[test]
fn slurm_is_given_jobs_that_make_what_one_run_makes() {
    let bin = TempDir::new().unwrap();
    let sbatch = bin.path().join("sbatch");
    std::fs::write(&sbatch, SBATCH).unwrap();
    std::fs::set_permissions(&sbatch, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.path().display());
    let (_folder, sharded) = odd("frege", 13);
    let (_other, single) = store("frege", 17);
    let run = || {
        let words = ["17", "3", "--", "--cpus-per-task=1", "--mem=512M"];
        script("derive-slurm.sh").env("PATH", &path).arg(&sharded).args(words).run().expect_code(0)
    };
    let jobs = run().stdout;
    let expected: Vec<String> = [15, 17]
        .iter()
        .flat_map(|length| ["shard candidates", "merge candidates", "shard instances", "merge instances"].map(|words| (words, length)))
        .zip(100..)
        .map(|((words, length), job)| format!("{job}\t{words}\tlength {length}"))
        .collect();
    assert_eq!(jobs.lines().collect::<Vec<_>>(), expected);
    assert_same(&sharded, &single);
    let log = std::fs::read_to_string(bin.path().join("spool/log")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("--array=1-3")).count(), 4, "{log}");
    for (line, before) in log.lines().skip(1).zip(100..) {
        assert!(line.contains(&format!("--dependency=afterok:{before} --kill-on-invalid-dep=yes")), "{line}");
    }
    assert_eq!(run().stdout, "", "nothing is left to submit");
}
