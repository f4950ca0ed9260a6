//! Passwords are never copied: each becomes a variable of the environment, and the report says on which
//! line it was. Here it is decided which variable, and remembered what must not be shown.

use super::account::Told;
use super::payload::Login;
use super::place::Place;
use super::plan::PlannedAuth;
use super::proxy::Proxy;
use super::topic::{Gap, Topic};
use super::values;

/// Which variable holds which password.
pub(super) struct Passwords {
    known: Vec<Known>,
    /// Names that the old file uses already, with values of their own.
    taken: Vec<String>,
}

struct Known {
    plain: String,
    variable: String,
}

/// A variable that has to be set, and where its value was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needed {
    pub(super) variable: String,
    pub(super) places: Vec<Place>,
    /// Its value stands in the old file.
    pub(super) in_file: bool,
}

impl Passwords {
    /// Beside the variables that the old file has.
    pub(super) fn beside(proxies: &[Proxy<'_>]) -> Self {
        let logins = proxies.iter().flat_map(|proxy| proxy.script.logins());
        let variables = logins.filter_map(|(_, login)| login.variable.as_ref());
        Self {
            known: Vec::new(),
            taken: variables.map(|variable| variable.name.clone()).collect(),
        }
    }

    /// What the checks of some sections log in with; several passwords cannot be had at once.
    pub(super) fn auth(
        &mut self,
        whose: &str,
        proxies: &[&Proxy<'_>],
        told: &mut Told<'_>,
        needed: &mut Vec<Needed>,
    ) -> Option<PlannedAuth> {
        let mut chosen: Option<(&Login, PlannedAuth)> = None;
        for (place, login) in proxies.iter().flat_map(|proxy| proxy.script.logins()) {
            if login.password.is_empty() {
                told.gap(place, Gap::Check, "`AUTH` without a password");
                continue;
            }
            match &mut chosen {
                None => {
                    let auth = PlannedAuth {
                        user: login.user.clone(),
                        variable: self.variable(login, whose),
                        places: vec![place],
                    };
                    chosen = Some((login, auth));
                }
                Some((first, auth)) if *first == login => auth.places.push(place),
                Some(_) => {
                    let sentence = "`AUTH`: another user or password than elsewhere in the group: one of \
                                    them must do for all its nodes, or change auth: by hand";
                    told.gap(place, Gap::Check, sentence);
                    continue;
                }
            }
            told.translated(place, "auth");
            if let Some(variable) = login.variable.as_ref().filter(|it| !it.quoted) {
                let words = format!("${}", variable.name);
                told.ledger.note(place, Topic::Variables, &words);
            }
        }
        let (login, auth) = chosen?;
        let in_file = match &login.variable {
            None => true,
            Some(variable) => variable.default.is_some(),
        };
        needed.push(Needed {
            variable: auth.variable.clone(),
            places: auth.places.clone(),
            in_file,
        });
        Some(auth)
    }

    fn variable(&mut self, login: &Login, whose: &str) -> String {
        if let Some(variable) = &login.variable {
            return variable.name.clone();
        }
        if let Some(known) = self
            .known
            .iter()
            .find(|known| known.plain == login.password)
        {
            return known.variable.clone();
        }
        let wanted = if self.known.is_empty() {
            "REDIS_PASSWORD".to_owned()
        } else {
            format!("REDIS_PASSWORD_{}", upper(whose))
        };
        let variable = values::new_name(&wanted, &|name| {
            let name = name.replace('-', "_");
            self.known.iter().any(|known| known.variable == name) || self.taken.contains(&name)
        })
        .replace('-', "_");
        self.known.push(Known {
            plain: login.password.clone(),
            variable: variable.clone(),
        });
        variable
    }
}

fn upper(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    text.chars().map(plain).collect()
}
