//! The API contract as cases, run against any server that speaks it: ours, or the real elizaOS server.
//!
//! The cases are data, in `cases/*.json`, one file for each area. A case is a list of requests with what is expected of
//! their answers. The program `conformance` runs them against a base URL (`--help` is its manual), and
//! `tests/ours.rs` against a server of its own. `docs/conformance.md` says what they found.
//!
//! # A case
//!
//! ```json
//! {
//!   "id": "AG-23", "title": "an unknown agent cannot be changed", "target": "ours",
//!   "reference": "200, and the data are only a status",
//!   "steps": [
//!     {"do": "PATCH /api/agents/$X", "body": {"name": "n"},
//!       "expect": {"status": 404, "error": "AGENT_NOT_FOUND"},
//!       "reference": {"status": 200, "data": {"status": "inactive"}}}
//!   ]
//! }
//! ```
//!
//! | field of a case | meaning |
//! | --- | --- |
//! | `id`, `title` | its name, and a sentence that it holds or breaks |
//! | `target` | `both` (where nothing is said): the same is expected of ours and of elizaOS 1.7.2. `ours`: elizaOS does otherwise |
//! | `reference` | in words, what elizaOS 1.7.2 does instead; needed where the target is `ours` |
//! | `note` | why the case is as it is, where that is not plain |
//! | `needs` | `model`: a model that answers as [`stub`] does. `key`: a server with a key. `limit`: its rate limit is known |
//! | `given` | fixtures that must be there before, though no step names them |
//! | `later` | the milestone that brings what it asks for. Ours is expected to fail until then, and must not pass unseen |
//! | `alone` | it runs after all others, because it disturbs them |
//!
//! | field of a step | meaning |
//! | --- | --- |
//! | `do` | method and path |
//! | `key` | `right` (where nothing is said), `none`, `wrong`, or `bearer`; means nothing without a key |
//! | `headers` | headers to send |
//! | `body` / `raw` / `form` | a JSON body; a body of these bytes, without a type; a multipart form |
//! | `repeat` / `together` | sends it so many times, one after the other or at once; each answer must be as expected; `$i` counts from 1 |
//! | `tries` | sends it again at once until the answer is as expected, at most so many times |
//! | `read` | how the answer is read, see below |
//! | `only` | `ours` or `reference`: the step is not done on the other |
//! | `expect` | what is expected |
//! | `reference` | what is expected of elizaOS 1.7.2 instead |
//! | `keep` | names for values of the answer: `{"m": "data.messages.0.id"}`, `{"tag": "header etag"}` |
//!
//! | field of an expectation | meaning |
//! | --- | --- |
//! | `status` | the status, or a list of those that will do. An expectation may be this alone: `"expect": 204` |
//! | `headers` | patterns by name |
//! | `data` | a pattern of `data` in a body with `success: true` |
//! | `body` | a pattern of the whole body |
//! | `error` | a code, or patterns `{"code": ..., "message": ...}`; `{}` is any error |
//! | `lacks` | texts that must not be anywhere in the body |
//! | `empty` | there is no body |
//! | `sample` | the body is this file of `samples/` |
//! | `same` | paths whose values are the same in all answers of a repetition |
//! | `within` | the request is sent again until the answer is as expected, for at most so many seconds |
//! | `after` | so many seconds pass before the request is sent: long enough for what should not happen |
//!
//! `read` is `whole` where nothing is said. `events`: the body is a stream of server-sent events; patterns see
//! `{"events": [{"event", "data"}], "chunks": "their chunks in one text"}`. `pages`: the loop of the seed's best practices
//! reads page after page of `limit` messages; patterns see `{"messages": [...], "requests": n}`. `call`: the seed's
//! `apiCall()`; patterns see `{"returned": ...}` or `{"thrown": "..."}`.
//!
//! # Variables
//!
//! `$name` or `${name}` in any text of a step; a text that is nothing else takes the value with its type.
//!
//! | variable | value |
//! | --- | --- |
//! | `$U`, `$U2` | ids of people |
//! | `$X` | the id of nothing |
//! | `$S` | the id of the default message server |
//! | `$n` | letters that no other case has |
//! | `$A` | an agent that was made for the case, with bio `["b1","b2"]`, and does not run |
//! | `$AO` | an agent that was made for the case, and runs |
//! | `$AR` | an agent that runs; all cases share it and leave it as it is |
//! | `$C`, `$D` | a GROUP and a DM channel that were made for the case, of `$U` and `$AR` |
//! | `$plugins` | the plugins that agents need on elizaOS to answer |
//! | `$key` | the key of the server |
//! | `$limit`, `$enough` | the requests in a window of its rate limit, and enough of them to be over it |
//! | `$i` | which repetition this is |
//! | others | what `keep` has kept |
//!
//! Functions: `$id(text)` is the id that elizaOS derives from a text, so that `$id($D:$AR)` is the room that `$AR` has for
//! `$D`; `$upper(text)`; `$lesser(a,b)` and `$greater(a,b)` of two texts; `$fill(n)` is a text of n letters; `$nest(n)` is
//! n arrays in each other.
//!
//! # Patterns
//!
//! A pattern is JSON. Texts, numbers, booleans and null mean themselves; an array has exactly these elements; an object has
//! at least these fields. Words in angle brackets mean more:
//!
//! | pattern | fits |
//! | --- | --- |
//! | `"<any>"`, `"<absent>"` | anything that is there; nothing there |
//! | `"<string>"`, `"<text>"` | a text; one that is not empty |
//! | `"<number>"`, `"<integer>"`, `"<boolean>"`, `"<array>"`, `"<object>"` | a value of this type |
//! | `"<uuid>"`, `"<iso>"`, `"<millis>"` | an id in lower case; a time as JavaScript prints it; a time in epoch milliseconds |
//! | `{"<equal>": value}` | exactly this value: no further fields |
//! | `{"<not>": p}`, `{"<oneOf>": [p, ...]}`, `{"<all>": [p, ...]}` | what does not fit; what fits one of them; all of them |
//! | `{"<regex>": r}`, `{"<contains>": t}`, `{"<starts>": t}`, `{"<prefixOf>": t}` | texts |
//! | `{"<atLeast>": v}`, `{"<atMost>": v}` | numbers, or texts in alphabetical order, which ISO times are |
//! | `{"<millisOf>": t}` | the milliseconds of an ISO time |
//! | `{"<each>": p}`, `{"<some>": p}`, `{"<none>": p}` | arrays whose every, any, no element fits |
//! | `{"<first>": p}`, `{"<last>": p}`, `{"<length>": p}` | arrays with this first or last element, this length |
//! | `{"<count>": {"of": p, "is": q}}` | arrays where as many elements fit |
//! | `{"<set>": [p, ...]}` | arrays with these elements in any order |
//! | `{"<inOrder>": [p, ...]}` | arrays in which elements that fit come in this order, others between them or not |
//! | `{"<ordered>": {"by": field, "as": [...]}}` | arrays whose elements' fields come in this order |
//! | `{"<descending>": field}` | arrays whose elements' fields get strictly smaller |
//!
//! Several words in one object must all fit. Where a value is compared, `"@name"` is the field beside it of this name, and
//! `"@@data.server.id"` one from the top of the body.
//!
//! # What is always checked
//!
//! On ours, a status of 400 or more under `/api` comes with the error envelope unless the case says what the body is, and a
//! body with `success: true` has `data`. On elizaOS an error may be a text, or have its message beside it; then only what
//! there is is compared, and `NOT_FOUND` stands for `AGENT_NOT_FOUND` and its like (contract §1.2).

pub mod answer;
pub mod case;
pub mod derive;
pub mod golden;
pub mod judge;
pub mod pattern;
pub mod report;
pub mod request;
pub mod run;
pub mod scope;
pub mod stub;
pub mod suite;
pub mod world;
