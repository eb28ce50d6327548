// One stream for all pages of a browser: whoever holds the lock listens and tells the others.
//
// It is closed while no page can be seen and goes on behind the last number that was heard; its first word is the version
// of what is known, and a page that shows another one asks for its rows.  What nobody can know to be so is said at once:
// the stream broke, or has said nothing for longer than it may, or the tracker does not report.

const URL_OF_STREAM = "/api/v1/events/stream";
const SILENCE = 40_000; // the stream says something every fifteen seconds
const RETRY = 3_000;

const followers = [];
const channel = "BroadcastChannel" in self ? new BroadcastChannel("job_tracker") : null;
let source = null;
let release = null;
let seq = Number(document.body.dataset.seq) || 0; // of what the page was made of
let version = Number(document.body.dataset.version) || 0;
let heard = 0;
let last = null;
let state = { kind: "state", live: false, since: null, why: "connecting" };
let hasHeard = false;

export function follow(follower) {
  followers.push(follower);
  if (hasHeard) follower(state);
}

function tell(news) {
  for (const follower of followers) follower(news);
}

function setState(next) {
  const isSame = state.live === next.live && state.why === next.why && hasHeard;
  state = { kind: "state", ...next };
  hasHeard = true;
  if (!isSame) tell(state);
}

function take(message) {
  heard = Date.now();
  last = new Date(heard);
  const isKnown = message.seq && message.seq <= seq; // whoever held the lock before may have told it, too
  if (message.seq) seq = message.name === "resync" ? message.seq : Math.max(seq, message.seq);
  switch (message.name) {
    case "hello": {
      const isNew = message.data.version !== version;
      version = message.data.version;
      if (isNew) tell({ kind: "jobs", keys: null });
      break;
    }
    case "health": {
      const { stale, since, why } = message.data;
      setState(stale ? { live: false, since: since ? new Date(since) : null, why } : { live: true, since: null, why: "" });
      break;
    }
    case "jobs": version = message.data.version; tell({ kind: "jobs", keys: message.data.changed }); break;
    case "event": if (!isKnown) tell({ kind: "event", event: message.data }); break;
    case "resync": tell({ kind: "jobs", keys: null }); break;
    case "bye": location.reload(); break;
    case "broken": setState({ live: false, since: message.data.since ? new Date(message.data.since) : null, why: message.data.why }); break;
  }
}

function spread(name, data, number) {
  const message = { name, data, seq: number };
  take(message);
  channel?.postMessage(message);
}

function broken(why) {
  const since = state.live ? last : state.since;
  setState({ live: false, since: since ?? null, why });
  channel?.postMessage({ name: "broken", data: { since: since ? since.getTime() : null, why }, seq: 0 });
}

function open() {
  close();
  source = new EventSource(URL_OF_STREAM + (seq ? `?after=${seq}` : ""));
  for (const name of ["hello", "health", "jobs", "event", "resync", "bye"]) {
    source.addEventListener(name, (event) => spread(name, JSON.parse(event.data), Number(event.lastEventId) || 0));
  }
  const mine = source;
  source.addEventListener("error", () => {
    broken("the connection to the pages is broken");
    // a browser comes back by itself after an interruption, but not after an answer that was none
    if (mine.readyState === EventSource.CLOSED) setTimeout(() => { if (source === mine) open(); }, RETRY);
  });
}

function close() {
  source?.close();
  source = null;
}

function begin() {
  if (release || document.hidden) return;
  if (!navigator.locks || !channel) {
    release = close;
    open();
    return;
  }
  const waiting = new AbortController();
  release = () => waiting.abort();
  navigator.locks.request("job_tracker-stream", { signal: waiting.signal }, () => {
    open();
    return new Promise((resolve) => { release = () => { close(); resolve(); }; });
  }).catch(() => {});
  channel.postMessage({ name: "ask", data: null, seq: 0 });
}

function end() {
  release?.();
  release = null;
}

// a page that was opened, or is shown again, while another one listens
function answer() {
  const [name, data] = state.live ? ["health", { stale: false }] : ["broken", { since: state.since?.getTime(), why: state.why }];
  channel.postMessage({ name, data, seq: 0 });
  channel.postMessage({ name: "hello", data: { version }, seq });
}

if (channel) {
  channel.onmessage = ({ data: message }) => {
    if (document.hidden) return;
    if (message.name !== "ask") take(message);
    else if (source && hasHeard) answer();
  };
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) end();
  else begin();
});
addEventListener("pagehide", end);
addEventListener("pageshow", (event) => { if (event.persisted) { end(); begin(); } });

setInterval(() => {
  if (!document.hidden && heard && Date.now() - heard > SILENCE && state.live) broken("nothing has been heard for a while");
}, 1_000);

if (document.body.dataset.user) begin();
