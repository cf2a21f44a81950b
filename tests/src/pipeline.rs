//! Several programs wired by real pipes, as a shell does it.

use crate::running::{Output, Running};
use crate::tool::Tool;
use std::process::Stdio;

/// Programs to be run side by side, each reading what the one before it writes.
#[derive(Debug, Default)]
pub struct Pipeline {
    stages: Vec<Tool>,
}

/// What a pipeline left.
#[derive(Debug)]
pub struct PipelineOutput {
    /// The last stage's.
    pub last: Output,
    /// Every stage's exit code, in order (the last one's too).
    pub codes: Vec<i32>,
    /// Every stage's stderr, in order.
    pub stderrs: Vec<String>,
}

/// A pipeline that runs; its stages are killed on drop.
#[derive(Debug)]
pub struct RunningPipeline {
    stages: Vec<Running>,
}

impl Pipeline {
    /// An empty one.
    pub fn new() -> Pipeline {
        Pipeline::default()
    }

    /// One more stage. The stdin that a first stage was given is kept.
    #[must_use]
    pub fn stage(mut self, tool: Tool) -> Pipeline {
        self.stages.push(tool);
        self
    }

    /// Runs it to the end of every stage.
    pub fn run(self) -> PipelineOutput {
        self.spawn().wait()
    }

    /// Starts it, for a test that acts while it runs.
    pub fn spawn(self) -> RunningPipeline {
        let mut stages: Vec<Running> = Vec::new();
        for tool in self.stages {
            let stdin = stages.last_mut().map(Running::hand_on);
            stages.push(tool.start(stdin, Stdio::piped()));
        }
        RunningPipeline { stages }
    }
}

impl RunningPipeline {
    /// A stage, counted from 0: to signal it, or to wait for a line of the last one's output.
    pub fn stage(&mut self, index: usize) -> &mut Running {
        &mut self.stages[index]
    }

    /// Waits for the end of every stage.
    pub fn wait(mut self) -> PipelineOutput {
        let last = self.stages.pop().expect("a pipeline has a stage").wait();
        let (mut codes, mut stderrs): (Vec<i32>, Vec<String>) = self.stages.into_iter().map(Running::wait_inner).unzip();
        codes.push(last.code);
        stderrs.push(last.stderr.clone());
        PipelineOutput { last, codes, stderrs }
    }
}

impl PipelineOutput {
    /// Everything that anybody can read of it, for tests that look for secrets.
    pub fn everything(&self) -> String {
        format!("{}{}", self.last.stdout, self.stderrs.concat())
    }
}
