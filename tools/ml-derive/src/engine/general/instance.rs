//! Whether one term of a graph is an instance of another.

use crate::engine::nodes::{TAGS, VARIABLE, View};

/// Compares two terms of a graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs {
    pairs: Vec<(u32, u32)>,
    images: Vec<u32>,
    imaged: Vec<u32>,
}

impl Pairs {
    /// Whether the term at `special` is an instance of that at `general`.
    pub(super) fn is_instance(&mut self, general: u32, special: u32, graph: View) -> bool {
        self.pairs.clear();
        self.pairs.push((general, special));
        let mut matches = true;
        while let Some((general, special)) = self.pairs.pop() {
            let node = graph.get(general);
            if node.left == VARIABLE {
                let place = node.right as usize;
                if self.images.len() <= place {
                    self.images.resize(place + 1, 0);
                }
                if self.images[place] == 0 {
                    self.images[place] = special;
                    self.imaged.push(node.right);
                } else if self.images[place] != special {
                    matches = false;
                    break;
                }
                continue;
            }
            let other = graph.get(special);
            if node.left < TAGS && other.left < TAGS {
                self.pairs.extend([(node.left, other.left), (node.right, other.right)]);
            } else if node.left == other.left {
                self.pairs.push((node.right, other.right));
            } else {
                matches = false;
                break;
            }
        }
        for number in self.imaged.drain(..) {
            self.images[number as usize] = 0;
        }
        matches
    }
}
