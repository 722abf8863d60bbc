// What the browser does by itself: it shows what the server sends, and says so when nothing comes any more.
"use strict";
window.aoi = (() => {
  const LOST_MS = 1500; // no beat for so long: what is shown is old
  const HUNG_S = 1.2; // the supervisor has not moved for so long
  const RENEW_MS = 700; // a forced output ends by itself after 2000
  const find = (id) => document.getElementById(id);
  const send = (what, arg) => window.emitEvent && window.emitEvent("aoi", { do: what, arg: arg === undefined ? null : arg });

  // ---- the beat: the one thing that says that the page is alive -------------------------------------------------
  let heard = performance.now();
  let hung = 0;
  let clock = "";
  let state = "ok";

  function beat(b) {
    heard = performance.now();
    hung = b.hung;
    clock = b.clock;
    if (find("clock")) find("clock").textContent = clock;
    for (const [id, html] of Object.entries(b.put || {})) put(id, html);
    if (b.part) shots.offer(b.part);
    look();
  }

  function gone() {
    heard = performance.now() - LOST_MS - 1;
    look();
  }

  function put(id, html) {
    const element = find(id);
    if (element) element.innerHTML = html;
  }

  function look() {
    const banner = find("banner");
    if (!banner) return;
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
  setInterval(look, 200);

  // ---- the connection -------------------------------------------------------------------------------------------
  // NiceGUI reloads the page when a connection attempt times out. With the network gone that would replace
  // the page, and what it last knew, by the browser's own error page. Only a server that answers is worth a reload.
  const patch = setInterval(() => {
    if (!window.socket) return;
    clearInterval(patch);
    window.socket.io.reconnectionDelayMax(2000);
    window.socket.io.timeout(4000);
    window.socket.off("connect_error");
    window.socket.on("connect_error", (error) => {
      if (/handshake/i.test(error.message)) return window.location.reload();
      // Where looking needs a login that has ended, the way back is the login page.
      const answer = fetch("/static/sign.svg", { headers: { accept: "text/html" }, redirect: "manual", cache: "no-store" });
      answer.then((found) => found.type === "opaqueredirect" && window.location.reload(), () => {});
    });
  }, 50);
  document.addEventListener("visibilitychange", () => send("visible", !document.hidden));

  // ---- the picture of the part, as fast as the browser takes it -------------------------------------------------
  const shots = {
    mode: "all",
    wanted: null,
    offer(shot) {
      if (this.mode === "hold" || (this.mode === "rejects" && shot.passed)) return;
      this.wanted = shot;
      if (!shot.frame) return this.show(shot);
      const image = new Image();
      // Swapped once it is there: picture, boxes and verdict are always of one part.
      // One that is gone already is passed over; the next is on its way.
      image.onload = () => this.wanted === shot && this.show(shot, true);
      image.src = shot.frame;
    },
    show(shot, loaded) {
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

  // ---- zoom: all panes of a group together, by fingers, wheel and buttons ---------------------------------------
  function zoomer(group) {
    const view = { scale: 1, x: 0, y: 0 };
    const fingers = new Map();
    let spread = 0;
    const apply = () => {
      const box = group.querySelector(".pane").getBoundingClientRect();
      view.scale = Math.min(12, Math.max(1, view.scale));
      view.x = Math.min(0, Math.max(box.width * (1 - view.scale), view.x));
      view.y = Math.min(0, Math.max(box.height * (1 - view.scale), view.y));
      group.classList.toggle("zoomed", view.scale > 1);
      for (const stage of group.querySelectorAll(".stage"))
        stage.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    };
    const at = (factor, x, y) => {
      const scale = Math.min(12, Math.max(1, view.scale * factor));
      view.x = x - ((x - view.x) * scale) / view.scale;
      view.y = y - ((y - view.y) * scale) / view.scale;
      view.scale = scale;
      apply();
    };
    const local = (event, pane) => {
      const box = pane.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    group.zoomTo = (way) => {
      const box = group.querySelector(".pane").getBoundingClientRect();
      if (way === "fit") view.scale = 1;
      at(way === "in" ? 1.6 : way === "out" ? 1 / 1.6 : 1, box.width / 2, box.height / 2);
    };
    for (const pane of group.querySelectorAll(".pane")) {
      pane.addEventListener("wheel", (e) => { e.preventDefault(); at(Math.exp(-e.deltaY / 400), ...local(e, pane)); }, { passive: false });
      pane.addEventListener("dblclick", (e) => (view.scale > 1 ? group.zoomTo("fit") : at(3, ...local(e, pane))));
      pane.addEventListener("pointerdown", (e) => { fingers.set(e.pointerId, e); spread = 0; });
      for (const end of ["pointerup", "pointercancel", "pointerleave"])
        pane.addEventListener(end, (e) => { fingers.delete(e.pointerId); spread = 0; });
      pane.addEventListener("pointermove", (e) => {
        const before = fingers.get(e.pointerId);
        if (!before) return;
        fingers.set(e.pointerId, e);
        if (fingers.size === 1) {
          view.x += e.clientX - before.clientX;
          view.y += e.clientY - before.clientY;
          apply();
        } else if (fingers.size === 2) {
          const [a, b] = [...fingers.values()];
          const now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
          const [ax, ay] = local(a, pane), [bx, by] = local(b, pane);
          if (spread) at(now / spread, (ax + bx) / 2, (ay + by) / 2);
          spread = now;
        }
      });
    }
  }

  // ---- the dead man's switch: outputs stay forced for as long as it is held, and no longer -----------------------
  const hold = {
    timer: 0,
    button: null,
    word: () => [...document.querySelectorAll("[data-bit][aria-pressed=true]")].reduce((w, e) => w | (1 << Number(e.dataset.bit)), 0),
    press(button) {
      if (this.timer || state !== "ok") return;
      this.button = button;
      button.classList.add("held");
      send("force", this.word());
      this.timer = setInterval(() => send("force", this.word()), RENEW_MS);
    },
    release(refused = false) {
      if (!this.timer) return;
      clearInterval(this.timer);
      this.timer = 0;
      this.button.classList.remove("held");
      if (!refused) send("unforce");
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

  return {
    beat, put, gone,
    // Shown by the server: the result of an action. A refusal stays until it is tapped away.
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
    ready,
  };

  function ready(root) {
    for (const group of root.querySelectorAll(".zoomer:not([data-ready])")) { group.dataset.ready = ""; zoomer(group); }
  }
})();
// The page's elements are made by script: those that are there at once are made ready as they appear.
new MutationObserver(() => window.aoi.ready(document)).observe(document.documentElement, { childList: true, subtree: true });
