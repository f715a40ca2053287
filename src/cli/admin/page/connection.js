// One live connection, in the drawer.

import { ask } from "./ask.js"
import { byId, element, facts, setText } from "./elements.js"
import { tree } from "./explanation.js"
import { bytes, code, milliseconds } from "./words.js"

/** Opens the drawer on a connection. */
export async function openDrawer(id) {
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
      ["over", [connection.starttls, connection.transport === "quic" ? "QUIC" : "TCP"].filter(Boolean).join(" on ")],
      ["route", connection.route ?? "none"],
      ["backend", connection.target ?? "none"],
      ["endpoint", address(connection.endpoint)],
      ["state", connection.state],
      ["since", new Date(connection.since).toLocaleString()],
      ["ClientHello after", milliseconds(connection.durations.hello)],
      ["backend after", milliseconds(connection.durations.dial)],
      ["endpoints tried", String(connection.dialAttempts)],
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
