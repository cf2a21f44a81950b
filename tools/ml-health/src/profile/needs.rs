//! What waits for what: every need is there, and nothing waits for itself.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The ids of a circle of needs, the first repeated at its end; `None` when there is none.
pub fn circle(needs: &BTreeMap<Arc<str>, Vec<Arc<str>>>) -> Option<Vec<Arc<str>>> {
    let mut done: Vec<&str> = Vec::new();
    let mut way: Vec<Arc<str>> = Vec::new();
    needs.keys().find_map(|id| follow(id, needs, &mut done, &mut way))
}

fn follow<'a>(
    id: &'a Arc<str>,
    needs: &'a BTreeMap<Arc<str>, Vec<Arc<str>>>,
    done: &mut Vec<&'a str>,
    way: &mut Vec<Arc<str>>,
) -> Option<Vec<Arc<str>>> {
    if let Some(at) = way.iter().position(|before| before == id) {
        let mut circle = way.split_off(at);
        circle.push(Arc::clone(id));
        return Some(circle);
    }
    if done.contains(&&**id) {
        return None;
    }
    way.push(Arc::clone(id));
    let found = needs.get(id).into_iter().flatten().find_map(|need| follow(need, needs, done, way));
    if found.is_none() {
        way.pop();
        done.push(id);
    }
    found
}
