// Zoom: all panes of a group together, by fingers, wheel and buttons.
"use strict";
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
