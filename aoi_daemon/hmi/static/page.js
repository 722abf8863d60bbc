// What the browser does by itself: it shows what the server sends, and says so when nothing comes any more.
"use strict";
window.aoi = (() => {
  const LOST_MS = 1500; // no beat for so long: what is shown is old
  const HUNG_S = 1.2; // the supervisor has not moved for so long
  const RENEW_MS = 700; // a forced output ends by itself after 2000
  const DEAD_MS = 5000; // a stream that has lasted so long and brings nothing new is dead, and has not told the browser
  const FIRST_MS = 2000; // its first beat comes sooner, or never: browsers use connections again that are long dead
  const AGAIN_MS = 1000; // between two tries
  const RELOADS_MS = 5000; // between two reloads that nobody asked for
  const DRIFT = 0.0005; // two clocks may part by so much
  const TAP_MS = 4000;
  const PICTURE_MS = 2000; // then the verdict is shown without it
  const find = (id) => document.getElementById(id);

  // ---- the beat: the one thing that says that the page is alive -------------------------------------------------
  let heard = performance.now(); // when the newest beat was so, by this browser's clock
  let since = Infinity; // what to add to the server's clock to have this one's, at least
  let beaten = heard;
  let hung = 0;
  let clock = "";
  let state = "ok";

  function beat(b) {
    if (b.at !== undefined) {
      const now = performance.now();
      // By when they arrive, the events that a proxy has collected would look new. The first beat was made after it
      // was asked for, and none is on its way for less than no time.
      since = Math.min(since === Infinity ? begun - b.at : since + (now - beaten) * DRIFT, now - b.at);
      beaten = now;
      heard = b.at + since;
      hung = b.hung;
      clock = b.clock;
      if (find("clock")) find("clock").textContent = clock;
    }
    for (const [id, html] of Object.entries(b.put || {})) put(id, html);
    if (b.part) shots.offer(b.part);
    for (const [call, ...given] of b.do || []) calls[call](...given);
    look();
  }

  function put(id, html) {
    const element = find(id);
    if (element) element.innerHTML = html;
  }

  function look() {
    const banner = find("banner");
    const silent_ms = performance.now() - heard;
    const age_s = silent_ms / 1000 + (silent_ms > LOST_MS ? 0 : hung);
    const now = silent_ms > LOST_MS ? "lost" : age_s > HUNG_S ? "hung" : "ok";
    if (now !== state) {
      state = now;
      document.body.dataset.link = now;
      find("banner-text").textContent = now === "ok" ? "" : banner.dataset[now];
      if (now !== "ok") hold.release();
    }
    if (now === "ok") return;
    const age = now === "lost" ? banner.dataset.lostAge : banner.dataset.hungAge;
    find("banner-age").textContent = age.replace("{s}", Math.floor(age_s)).replace("{at}", clock || "–");
    for (const element of document.querySelectorAll(".live, .told")) element.dataset.age = Math.floor(age_s) + " s";
  }

  // ---- the stream: where it ends, or brings nothing new, it is begun anew ---------------------------------------
  const me = document.body.dataset;
  let stream = null;
  let begun = 0;

  function listen() {
    if (stream) stream.close();
    begun = performance.now();
    since = Infinity;
    stream = new EventSource("/page/events?page=" + encodeURIComponent(me.page));
    stream.onmessage = (event) => beat(JSON.parse(event.data));
    stream.onerror = (event) => event.target.close();
  }

  function watch() {
    look();
    if (!stream) return;
    const lasted = performance.now() - begun;
    const ended = stream.readyState === EventSource.CLOSED && lasted > AGAIN_MS;
    // Beats that seem to be late, while the supervisor moves: the first one came late, and another stream knows better.
    const late = state === "lost" || (state === "hung" && hung < HUNG_S);
    if (!ended && (!late || lasted < (since === Infinity ? FIRST_MS : DEAD_MS))) return;
    // Where looking needs a login that has ended, the way back is the login page.
    if (ended)
      fetch("/static/sign.svg", { headers: { accept: "text/html" }, redirect: "manual", cache: "no-store" })
        .then((answer) => answer.type === "opaqueredirect" && reload(), () => {});
    listen();
  }

  // Only a server that answers asks for a reload: with the network gone it would replace the page, and what it last
  // knew, by the browser's own error page.
  function reload() {
    const wait = Number(sessionStorage.getItem("aoi-reloaded") || 0) + RELOADS_MS - Date.now();
    if (wait > 0 && wait <= RELOADS_MS) return setTimeout(reload, wait);
    sessionStorage.setItem("aoi-reloaded", String(Date.now()));
    window.location.reload();
  }

  // A tab behind another needs no stream; a browser has six connections to one server for all its tabs.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { if (stream) stream.close(); stream = null; return; }
    heard = Math.max(heard, performance.now() - LOST_MS / 2);
    look();
    listen();
  });

  // ---- taps: one after the other, as they were made -------------------------------------------------------------
  let number = 0;
  let last = Promise.resolve();

  function post(what, arg) {
    const body = { page: me.page, number: ++number, do: what, arg: arg === undefined || arg === null ? null : String(arg) };
    const sent = fetch("/page/tap", {
      method: "POST", headers: { "content-type": "application/json", "x-csrf-token": me.csrf },
      body: JSON.stringify(body), keepalive: true, signal: AbortSignal.timeout(TAP_MS),
    });
    return sent.then(
      async (answer) => {
        if (answer.ok) return;
        // A proxy's own refusal is no JSON, and one that is cut off is none either.
        const said = await answer.json().catch(() => ({}));
        if (answer.status === 401 || (answer.status === 403 && said.why === "CSRF")) return reload();
        calls.say(false, "", find("banner").dataset.refused.replace("{status}", answer.status));
      },
      () => calls.say(false, "", find("banner").dataset.lost),
    );
  }

  function send(what, arg) {
    // What is done when the connection is back is done behind the back of whoever tapped it.
    if (state === "lost") return calls.say(false, "", find("banner").dataset.lost);
    last = last.then(() => post(what, arg));
  }

  // ---- the picture of the part, as fast as the browser takes it -------------------------------------------------
  const shots = {
    mode: "all",
    wanted: null,
    loading: null,
    shown: performance.now(),
    skips(shot) {
      return this.mode === "hold" || (this.mode === "rejects" && shot.passed);
    },
    offer(shot) {
      if (this.skips(shot)) return;
      this.wanted = shot;
      // One at a time: where pictures come slower than parts, each would be given up for the next, and none be shown.
      if (!this.loading) this.load();
    },
    load() {
      const shot = this.wanted;
      this.wanted = null;
      if (this.skips(shot)) return;
      if (!shot.frame) return this.show(shot);
      const image = (this.loading = new Image());
      // Swapped once it is there: picture, boxes and verdict are always of one part.
      const done = (loaded, shown) => {
        if (this.loading !== image) return;
        this.loading = null;
        if (shown && !this.skips(shot)) this.show(shot, loaded);
        if (this.wanted) this.load();
      };
      image.onload = () => done(true, true);
      // One that is gone already is passed over where the next is on its way, but not one after the other.
      image.onerror = () => done(false, !this.wanted || performance.now() - this.shown > PICTURE_MS);
      setTimeout(() => done(false, true), PICTURE_MS);
      image.src = shot.frame;
    },
    show(shot, loaded) {
      this.shown = performance.now();
      put("verdict", shot.verdict);
      const pane = document.querySelector(".pictures");
      if (!pane) return;
      pane.classList.toggle("none", !loaded);
      pane.classList.toggle("no-template", !shot.template);
      pane.dataset.part = shot.part;
      if (!loaded) return;
      find("frame").src = shot.frame;
      if (shot.template && find("template").getAttribute("src") !== shot.template) find("template").src = shot.template;
      find("frame-boxes").innerHTML = shot.frame_boxes;
      find("template-boxes").innerHTML = shot.template_boxes;
    },
  };

  // ---- the dead man's switch: outputs stay forced for as long as it is held, and no longer -----------------------
  const hold = {
    timer: 0,
    under_way: false,
    button: null,
    word: () => [...document.querySelectorAll("[data-bit][aria-pressed=true]")].reduce((w, e) => w | (1 << Number(e.dataset.bit)), 0),
    press(button) {
      if (this.timer || state !== "ok") return;
      this.button = button;
      button.classList.add("held");
      this.renew();
      this.timer = setInterval(() => this.renew(), RENEW_MS);
    },
    async renew() {
      if (this.under_way) return; // it ends by itself where the last one is not answered
      this.under_way = true;
      await post("force", this.word());
      this.under_way = false;
    },
    release(refused = false) {
      if (!this.timer) return;
      clearInterval(this.timer);
      this.timer = 0;
      this.button.classList.remove("held");
      // Not behind another one: by its number the server knows that what comes later is old.
      if (!refused) post("unforce");
    },
  };
  for (const end of ["pointerup", "pointercancel", "blur", "pagehide", "keyup"]) window.addEventListener(end, () => hold.release());
  document.addEventListener("visibilitychange", () => document.hidden && hold.release());
  document.addEventListener("contextmenu", (e) => e.target.closest("[data-hold]") && e.preventDefault());
  document.addEventListener("pointerdown", (e) => { const b = e.target.closest("[data-hold]"); if (b && !b.disabled) hold.press(b); });
  document.addEventListener("keydown", (e) => {
    if (e.key === " " && !e.repeat && e.target.matches && e.target.matches("[data-hold]")) { e.preventDefault(); hold.press(e.target); }
  });

  // ---- taps ------------------------------------------------------------------------------------------------------
  const cookie = (name, value) => (document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`);
  const choose = (button, group) => {
    for (const each of document.querySelectorAll(group)) each.setAttribute("aria-pressed", String(each === button));
  };
  const taps = {
    do: (b) => {
      if (!b.dataset.confirm) return send(b.dataset.do, b.dataset.arg);
      find("confirm-text").textContent = b.dataset.confirm;
      find("confirm-yes").onclick = () => { find("confirm").close(); send(b.dataset.do, b.dataset.arg); };
      find("confirm").showModal();
    },
    lang: (b) => { cookie("aoi-lang", b.dataset.lang); window.location.reload(); },
    dark: () => {
      const night = document.documentElement.dataset.theme !== "night";
      document.documentElement.dataset.theme = night ? "night" : "day";
      cookie("aoi-theme", night ? "night" : "day");
    },
    mode: (b) => {
      shots.mode = b.dataset.mode;
      choose(b, "[data-mode]");
      // What is held is looked into: with all its pixels, while the server still has them.
      if (shots.mode === "hold") for (const id of ["frame", "template"]) if (find(id).src) find(id).src += "&large=1";
    },
    zoom: (b) => b.closest(".zoomer").zoomTo(b.dataset.zoom),
    bit: (b) => b.setAttribute("aria-pressed", String(b.getAttribute("aria-pressed") !== "true")),
    close: (b) => b.closest("dialog").close(),
    dismiss: (b) => b.closest(".toast").remove(),
    print: () => window.print(),
    more: () => document.body.classList.toggle("more"),
  };
  document.addEventListener("click", (e) => {
    for (const [name, act] of Object.entries(taps)) {
      const button = e.target.closest(`[data-${name}]`);
      if (button && !button.disabled && !button.hasAttribute("data-hold")) { act(button); return; }
    }
  });
  document.addEventListener("change", (e) => e.target.dataset && e.target.dataset.go && (window.location.href = e.target.dataset.go + encodeURIComponent(e.target.value)));

  // ---- what the server asks for ----------------------------------------------------------------------------------
  const calls = {
    // The result of an action. A refusal stays until it is tapped away.
    say(ok, sign, text) {
      const toast = document.createElement("button");
      toast.className = "toast " + (ok ? "done" : "refused");
      toast.dataset.dismiss = "";
      toast.innerHTML = sign;
      toast.append(Object.assign(document.createElement("span"), { textContent: text }));
      find("toasts").append(toast);
      if (ok) setTimeout(() => toast.remove(), 5000);
    },
    release: () => hold.release(true),
    press: (id, group) => choose(find(id), group),
    open: (id, html) => { put(id + "-body", html); find(id).showModal(); ready(find(id)); },
    shut: (id) => find(id).close(),
    gone: () => { heard = performance.now() - LOST_MS - 1; },
    reload,
  };

  function ready(root) {
    for (const group of root.querySelectorAll(".zoomer:not([data-ready])")) { group.dataset.ready = ""; zoomer(group); }
  }

  ready(document);
  if (!document.hidden) listen();
  setInterval(watch, 200);
  me.link = state; // from here on it is said by us; where this script does not come so far, by page.css
  return { send };
})();
