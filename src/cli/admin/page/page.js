// The live page. It gets a scene when the configuration changes and a moment every second, and puts both into the
// document as text: nothing that a client or a manifest says is ever read as HTML.

const SAMPLES = 240
const byId = (id) => document.getElementById(id)

/** @type {any} */
let scene
/** @type {any} */
let moment
/** Bytes and new connections per second, oldest first. */
const samples = []
let stream
let isPaused = false

// Words

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"]

function bytes(value) {
  if (value < 1000) return `${Math.round(value)} B`
  const power = Math.min(Math.floor(Math.log10(value) / 3), UNITS.length - 1)
  return `${(value / 1000 ** power).toPrecision(3)} ${UNITS[power]}`
}

const rate = (value) => `${bytes(value)}/s`
const perSecond = (value) => (value >= 10 ? Math.round(value) : Math.round(value * 10) / 10).toLocaleString()
const whole = (value) => value.toLocaleString()

function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

const clock = (time) => new Date(time).toLocaleTimeString()
const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`

// Elements

/** Makes an element. Children are elements or text. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value)
  made.append(...children.filter((child) => child !== undefined && child !== ""))
  return made
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/** Keeps the children of `parent` equal to `items`, by key: what stays keeps its element, and the focus in it. */
function keep(parent, items, keyOf, make, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]))
  let place = parent.firstElementChild
  for (const item of items) {
    const key = keyOf(item)
    let child = old.get(key)
    if (child === undefined) {
      child = make(item)
      child.dataset.key = key
    }
    old.delete(key)
    update(child, item)
    if (child === place) place = place.nextElementSibling
    else parent.insertBefore(child, place)
  }
  for (const child of old.values()) child.remove()
}

/** A row of cells, each with the name of its column for narrow screens. */
function makeRow(table, wide) {
  const columns = [...byId(table).closest("table").querySelectorAll("thead th")]
  return element(
    "tr",
    {},
    ...columns.map((column, at) => {
      const classes = [column.className, wide.includes(at) ? "wide" : ""].filter((name) => name !== "").join(" ")
      return element("td", { class: classes || undefined, "data-column": column.textContent })
    }),
  )
}

function fill(row, ...texts) {
  for (const [at, text] of texts.entries()) if (text !== undefined) setText(row.children[at], text)
}

const nothing = { live: 0, connections: 0, refused: 0, rate: 0, refusedRate: 0, up: 0, down: 0 }

function fillFlow(row, from, flow = nothing) {
  const cells = [...row.children].slice(from)
  for (const [at, text] of [
    whole(flow.live),
    perSecond(flow.rate),
    perSecond(flow.refusedRate),
    rate(flow.up),
    rate(flow.down),
  ].entries())
    setText(cells[at], text)
  cells[2].classList.toggle("bad", flow.refusedRate > 0)
}

// What the gateway is and has

function showScene() {
  setText(byId("version"), scene.version)
  showListeners()
  showRoutes()
  showProblems()
  showTimeline()
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
        : unbound.length > 0
          ? ["failing", `${plural(unbound.length, "port")} not bound`]
          : scene.listeners.length === 0
            ? ["waiting", "no port to serve"]
            : ["serving", "serving"]
  status.dataset.state = state
  setText(status, text)
}

function showListeners() {
  byId("listeners-empty").hidden = scene.listeners.length > 0
  keep(
    byId("listeners-body"),
    scene.listeners,
    ({ key }) => key,
    () => makeRow("listeners-body", [0, 1]),
    (row, listener) => {
      const { bound, error, listeners } = listener
      row.children[0].replaceChildren(
        element("span", { class: "name" }, bound ?? listener.key),
        ...(error === undefined ? [] : [" ", element("span", { class: "bad" }, error)]),
      )
      fill(row, undefined, listeners.map(({ id, hostname }) => `${id} (${hostname})`).join(", "))
      fillFlow(row, 2, moment?.listeners[listener.key])
    },
  )
}

function showRoutes() {
  const { total, list } = scene.routes
  byId("routes-empty").hidden = total > 0
  setText(byId("routes-count"), total > list.length ? `${whole(total)}, the first ${list.length} here` : whole(total))
  keep(
    byId("routes-body"),
    list,
    ({ name }) => name,
    () => makeRow("routes-body", [0, 1]),
    (row, route) => {
      row.children[0].replaceChildren(
        element("div", { class: "name" }, route.name),
        element("small", {}, route.hostnames.join(", ")),
      )
      showBackends(row.children[1], route)
      fillFlow(row, 2, moment?.routes[route.name])
    },
  )
}

function showBackends(cell, route) {
  const live = (key) => moment?.endpoints[key] ?? 0
  const sum = route.backends.reduce((all, { target }) => all + live(target), 0)
  const weights = route.backends.reduce((all, { weight }) => all + weight, 0)
  const items = route.backends.map((backend) => {
    const count = live(backend.target)
    const share = sum === 0 ? 0 : count / sum
    const meant = weights === 0 ? 0 : backend.weight / weights
    const told = `${Math.round(share * 100)} % of live connections, meant ${Math.round(meant * 100)} %`
    return element(
      "li",
      {},
      element("meter", { min: "0", max: "1", value: String(share), "aria-label": told, title: told }),
      ` ${backend.name} `,
      element("small", {}, `${whole(count)} live, weight ${backend.weight}`),
      backend.error === undefined ? "" : element("div", { class: "bad" }, backend.error),
      element(
        "ul",
        { class: "endpoints" },
        ...backend.endpoints.list.map(({ where, unhealthy }) =>
          element(
            "li",
            {},
            unhealthy === undefined
              ? element("span", { class: "good", "aria-hidden": "true" }, "● ")
              : element("span", { class: "bad" }, "▲ "),
            where,
            element("small", {}, ` ${whole(live(`${backend.target} ${where}`))}`),
            unhealthy === undefined ? "" : element("span", { class: "bad" }, ` ${unhealthy}`),
          ),
        ),
        backend.endpoints.total > backend.endpoints.list.length
          ? element("li", {}, `and ${whole(backend.endpoints.total - backend.endpoints.list.length)} more`)
          : "",
      ),
    )
  })
  cell.replaceChildren(element("ul", { class: "backends" }, ...items))
}

function showProblems() {
  const { total, list } = scene.problems
  byId("problems").hidden = total === 0
  setText(byId("problems-count"), whole(total))
  byId("problems-list").replaceChildren(
    ...list.map(({ severity, code, object, path, message, location }) => {
      const place = [location?.file, location?.line, location?.column].filter((part) => part !== undefined).join(":")
      const subject =
        object === undefined ? "" : `${object.kind} ${object.namespace ? `${object.namespace}/` : ""}${object.name} `
      return element(
        "li",
        {},
        element("span", { class: severity === "error" ? "bad" : "warn" }, `${severity} `),
        place === "" ? "" : element("span", { class: "place" }, `${place} `),
        subject,
        path ? element("span", { class: "place" }, `${path} `) : "",
        message,
        element("small", {}, ` ${code}`),
      )
    }),
    ...(total > list.length ? [element("li", { class: "quiet" }, `and ${whole(total - list.length)} more`)] : []),
  )
}

function showTimeline() {
  byId("timeline-list").replaceChildren(
    ...scene.timeline.map(({ at, worse, fields }) =>
      element(
        "li",
        {},
        element(
          "time",
          { datetime: new Date(at).toISOString(), class: worse ? "bad" : "quiet" },
          new Date(at).toLocaleString(),
        ),
        ` ${describeChange(fields)}`,
      ),
    ),
  )
}

function describeChange(fields) {
  const named = (verb, { count, names }) =>
    `${verb} ${names.join(", ")}${count > names.length ? ` and ${whole(count - names.length)} more` : ""}`
  const parts = []
  for (const verb of ["added", "changed", "removed"])
    if (fields[verb] !== undefined) parts.push(named(verb, fields[verb]))
  for (const { gatewayPort, address, port, error } of fields.bindings) {
    parts.push(
      error === undefined ? `port ${gatewayPort} listens on ${address}:${port}` : `port ${gatewayPort}: ${error}`,
    )
  }
  if (fields.closed !== undefined) parts.push(named("closed", fields.closed))
  if (fields.problems.length > 0) parts.push(plural(fields.problems.length, "new problem"))
  if (fields.resolved > 0) parts.push(`${plural(fields.resolved, "problem")} resolved`)
  parts.push(`${plural(fields.routes, "route")} in force`)
  return parts.join("; ")
}

// What happens

function showMoment() {
  const sum = (field) => Object.values(moment.listeners).reduce((all, flow) => all + flow[field], 0)
  const totals = { rate: sum("rate"), refused: sum("refusedRate"), up: sum("up"), down: sum("down") }
  setText(byId("total-live"), whole(moment.live))
  setText(byId("total-rate"), perSecond(totals.rate))
  setText(byId("total-refused"), perSecond(totals.refused))
  byId("total-refused").classList.toggle("bad", totals.refused > 0)
  setText(byId("total-up"), rate(totals.up))
  setText(byId("total-down"), rate(totals.down))
  setText(byId("total-loop"), `${Math.round(moment.loopDelay)} ms`)
  setText(byId("total-uptime"), span(moment.at - scene.started))
  samples.push({ bytes: totals.up + totals.down, rate: totals.rate })
  if (samples.length > SAMPLES) samples.shift()
  showHistory()
  showListeners()
  showRoutes()
  showRefusals()
  showConnections()
}

function showHistory() {
  const curve = (field) => {
    const most = Math.max(1, ...samples.map((sample) => sample[field]))
    const first = SAMPLES - samples.length
    return samples
      .map((sample, at) => `${at === 0 ? "M" : "L"}${first + at} ${(38 - (36 * sample[field]) / most).toFixed(1)}`)
      .join("")
  }
  byId("history-down").setAttribute("d", curve("bytes"))
  byId("history-rate").setAttribute("d", curve("rate"))
}

function showRefusals() {
  const { refusals } = moment
  byId("refused-empty").hidden = refusals.length > 0
  keep(
    byId("refused-body"),
    refusals,
    ({ serverName, outcome, detail }) => `${outcome} ${detail} ${serverName}`,
    () => makeRow("refused-body", [0, 1]),
    (row, { serverName, outcome, detail, count, last }) =>
      fill(
        row,
        serverName ?? "no name",
        detail === undefined ? outcome : `${outcome}: ${detail}`,
        whole(count),
        `${span(moment.at - last)} ago`,
      ),
  )
}

function showConnections() {
  const { connections, live } = moment
  const filter = byId("filter").value.trim()
  setText(
    byId("connections-count"),
    `${whole(live)} live${connections.length < live ? `, ${connections.length} here` : ""}`,
  )
  const empty = byId("connections-empty")
  empty.hidden = connections.length > 0
  setText(empty, filter === "" ? "No connection." : `No live connection has “${filter}”.`)
  keep(
    byId("connections-body"),
    connections,
    ({ id }) => id,
    ({ id }) => {
      const row = makeRow("connections-body", [0])
      row.firstElementChild.append(element("button", { type: "button", class: "row", "data-id": id }))
      return row
    },
    (row, connection) => {
      setText(row.querySelector("button"), connection.serverName ?? "no name")
      fill(
        row,
        undefined,
        connection.client,
        connection.route ?? "",
        connection.endpoint ?? "",
        connection.state,
        span(moment.at - connection.since),
        `${rate(connection.upRate)} · ${bytes(connection.fromClient)}`,
        `${rate(connection.downRate)} · ${bytes(connection.fromBackend)}`,
      )
    },
  )
}

// One connection

async function openDrawer(id) {
  const drawer = byId("drawer")
  const body = byId("drawer-body")
  setText(byId("drawer-title"), "Connection")
  body.replaceChildren("asking")
  drawer.showModal()
  const { connection, hello, explanation, error } = await ask(`connection?id=${encodeURIComponent(id)}`)
  if (error !== undefined) {
    body.replaceChildren(element("p", {}, error))
    return
  }
  setText(byId("drawer-title"), connection.serverName ?? "no name")
  const address = (place) => (place === undefined || place === null ? "none" : `${place.address} port ${place.port}`)
  body.replaceChildren(
    facts([
      ["client", `${connection.clientAddress} port ${connection.clientPort}`],
      ["through", address(connection.via)],
      ["listener", connection.matchedListener ?? connection.listener],
      ["route", connection.route ?? "none"],
      ["backend", connection.target ?? "none"],
      ["endpoint", address(connection.endpoint)],
      ["state", connection.state],
      ["since", new Date(connection.since).toLocaleString()],
      ["from client", bytes(connection.bytesFromClient)],
      ["from backend", bytes(connection.bytesFromBackend)],
      ["id", connection.uniqueId],
    ]),
    element("h3", {}, "ClientHello"),
    hello === undefined
      ? element(
          "p",
          { class: "quiet" },
          "Not kept: the latest five hundred are, and none of those that workers read. --log-hello logs each.",
        )
      : facts([
          ["server name", hello.serverName ?? hello.offeredName ?? "none"],
          ["ALPN", hello.alpnProtocols.join(", ") || "none"],
          ["versions", hello.supportedVersions.map(code).join(", ") || code(hello.legacyVersion)],
          ["groups", hello.supportedGroups.map(code).join(", ") || "none"],
          ["key shares", hello.keyShareGroups.map(code).join(", ") || "none"],
          ["cipher suites", hello.cipherSuites.map(code).join(", ")],
          ["ECH", hello.echOffered ? "offered, in earnest or as GREASE" : "not offered"],
          ["JA4", hello.ja4],
          ["JA3", hello.ja3],
        ]),
    element("h3", {}, "Why it went there"),
    explanation === undefined ? element("p", {}, "Its port is served no longer.") : tree(explanation),
  )
}

const code = (number) => `0x${number.toString(16).padStart(4, "0")}`

function facts(rows) {
  return element("dl", {}, ...rows.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]))
}

/** An explanation as nested lists: listeners on the port, and under the chosen one its routes. */
function tree({ listeners, routes, result }) {
  const outcome = (good, text) => element("strong", { class: good ? "good" : "quiet" }, text)
  const name = ({ namespace, name }) => (namespace === "" ? name : `${namespace}/${name}`)
  const verdict = result.matched
    ? element("p", {}, outcome(true, `${name(result.route.ref)}`), ` takes it, by ${result.hostname}`)
    : element("p", {}, element("strong", { class: "bad" }, `refused: ${result.reason}`))
  const routeList = element(
    "ul",
    { class: "tree" },
    ...routes.map(({ route, routeHostname, outcome: how, reason }) =>
      element("li", {}, outcome(how === "won", how), ` ${name(route)} (${routeHostname}): ${reason}`),
    ),
  )
  const list = element(
    "ul",
    { class: "tree" },
    ...listeners.map(({ listener, outcome: how, reason }) =>
      element(
        "li",
        {},
        outcome(how === "chosen", how),
        ` ${listener.id} (${listener.hostname ?? "*"}): ${reason}`,
        how === "chosen" ? routeList : "",
      ),
    ),
  )
  return element("div", {}, verdict, list)
}

async function ask(path) {
  try {
    return await (await fetch(path, { cache: "no-store" })).json()
  } catch {
    return { error: "The gateway does not answer." }
  }
}

// What the person does

byId("connections-body").addEventListener("click", ({ target }) => {
  const { id } = target.closest("button.row")?.dataset ?? {}
  if (id !== undefined) void openDrawer(id)
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
    moment = JSON.parse(data)
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
