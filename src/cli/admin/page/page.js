// The live page. It gets a scene when the configuration changes and a moment every second, and puts both into the
// document as text: nothing that a client or a manifest says is ever read as HTML.

import { ask } from "./ask.js"
import { showProblems, showTimeline } from "./configuration.js"
import { openDrawer } from "./connection.js"
import { byId, element, keep, setText } from "./elements.js"
import { tree } from "./explanation.js"
import { showConnections, showRefusals } from "./people.js"
import { showListeners, showRoutes } from "./tables.js"
import { showTotals } from "./totals.js"
import { clock, plural } from "./words.js"

/** @type {any} */
let scene
/** @type {any} */
let moment
let stream
let isPaused = false
let showsAllRoutes = false

function showScene() {
  setText(byId("version"), scene.version)
  showListeners(scene, moment)
  showRoutes(scene, moment, showsAllRoutes)
  showProblems(scene.problems)
  showTimeline(scene.timeline)
  const select = byId("explain-port")
  const ports = [...new Set(scene.listeners.map(({ port }) => String(port)))]
  keep(
    select,
    ports,
    (port) => port,
    (port) => element("option", { value: port }, port),
    () => {},
  )
  showStatus()
}

function showStatus(lost) {
  const status = byId("status")
  const unbound = scene?.listeners.filter(({ bound }) => bound === undefined) ?? []
  document.body.classList.toggle("stale", lost !== undefined)
  const [state, text] =
    lost !== undefined
      ? ["failing", lost]
      : scene === undefined
        ? ["waiting", "connecting"]
        : moment?.serving === false
          ? ["waiting", "not ready"]
          : unbound.length > 0
            ? ["failing", `${plural(unbound.length, "port")} not bound`]
            : scene.listeners.length === 0
              ? ["waiting", "no port to serve"]
              : scene.routes.total === 0
                ? ["troubled", "no route to serve"]
                : scene.problems.total > 0
                  ? ["troubled", `serving, ${plural(scene.problems.total, "problem")}`]
                  : ["serving", "serving"]
  status.dataset.state = state
  setText(status, text)
  document.title = state === "failing" ? `${text}: tlsroute` : "tlsroute"
}

function showMoment() {
  showTotals(scene, moment)
  showListeners(scene, moment)
  showRoutes(scene, moment, showsAllRoutes)
  showRefusals(moment)
  showConnections(moment)
}

// What the person does

byId("connections-body").addEventListener("click", ({ target }) => {
  const { id } = target.closest("button.row")?.dataset ?? {}
  if (id !== undefined) void openDrawer(id)
})

byId("routes-more").addEventListener("click", () => {
  showsAllRoutes = !showsAllRoutes
  showRoutes(scene, moment, showsAllRoutes)
})

byId("drawer").addEventListener("click", (event) => {
  if (event.target === event.currentTarget) event.currentTarget.close()
})

byId("explain-form").addEventListener("submit", async (event) => {
  event.preventDefault()
  const query = new URLSearchParams({ port: byId("explain-port").value, sni: byId("explain-name").value.trim() })
  const answer = await ask(`explain?${query}`)
  byId("explain-result").replaceChildren(
    answer.error === undefined ? tree(answer) : element("p", { class: "bad" }, answer.error),
  )
})

byId("pause").addEventListener("click", ({ currentTarget }) => {
  isPaused = !isPaused
  currentTarget.setAttribute("aria-pressed", String(isPaused))
  setText(currentTarget, isPaused ? "Go on" : "Pause")
  if (!isPaused && moment !== undefined) showMoment()
})

let typing
byId("filter").addEventListener("input", () => {
  clearTimeout(typing)
  typing = setTimeout(follow, 300)
})
byId("filter-form").addEventListener("submit", (event) => {
  event.preventDefault()
  follow()
})

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, select, textarea") || byId("drawer").open) return
  event.preventDefault()
  byId("filter").focus()
})

// The stream

function follow() {
  stream?.close()
  stream = new EventSource(`events?${new URLSearchParams({ filter: byId("filter").value.trim().toLowerCase() })}`)
  stream.addEventListener("scene", ({ data }) => {
    scene = JSON.parse(data)
    showScene()
  })
  stream.addEventListener("moment", ({ data }) => {
    const was = moment?.serving
    moment = JSON.parse(data)
    if (moment.serving !== was) showStatus()
    if (!isPaused) showMoment()
  })
  stream.addEventListener("open", () => showStatus())
  stream.addEventListener("error", () => {
    showStatus(`no answer since ${clock(moment?.at ?? Date.now())}; trying again`)
    // A stream that was refused, and not cut, is not tried again by the browser itself.
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 3000)
  })
}

follow()
