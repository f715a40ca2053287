import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join, parse } from "node:path"
import { fileURLToPath } from "node:url"
import { serveObjects } from "./api-server.mjs"
import { nativePeers, outputTo } from "./native.mjs"
import { gatewayObjects } from "./objects.mjs"

/**
 * @typedef {object} Launch What a peer needs to start.
 * @property {number} port TCP port to listen on, 127.0.0.1
 * @property {Record<string, number>} routes backend port on 127.0.0.1 by server name
 * @property {string} directory for configuration and process files, made for this process alone
 * @property {number} [workers] for the gateway: how many; by default none but the thread itself
 * @property {"changing" | "busy"} [situation] for the gateway: what else goes on
 *
 * @typedef {object} Peer What is under measurement: a proxy, a library or both.
 * @property {string} id
 * @property {string} title
 * @property {"gateway" | "command" | "native" | "script" | "library"} kind
 * @property {string} version as the program tells it
 * @property {"bulk" | "main"} [only] measured in this alone: being a variant of another for its sake, or to save time
 * @property {(launch: Launch) => string[] | Promise<string[]>} [command] writes a proxy's configuration and returns the
 * command line
 * @property {Record<string, string[]>} [micro] command line by program in bench/micro
 *
 * @typedef {object} MissingPeer
 * @property {string} id
 * @property {string} title
 * @property {string} missing what to do about it
 */

const here = fileURLToPath(new URL(".", import.meta.url))
const micro = fileURLToPath(new URL("../micro/", import.meta.url))
const dist = fileURLToPath(new URL("../../dist/", import.meta.url))
const notBuilt = "not built: run `npm run build`"
const servingFlags = ["--json", "--admin", "127.0.0.1:0", "--address", "127.0.0.1"]

/**
 * Every peer, those that cannot be run included.
 *
 * @param {readonly string[]} nodes paths of the Node.js binaries to run the Node peers on, the oldest first: those between
 * the first and the last run the library alone, for the main figures
 * @param {readonly string[]} scripts paths of further proxies, that take the same argument as naive.mjs
 * @returns {(Peer | MissingPeer)[]}
 */
export function findPeers(nodes, scripts) {
  const several = nodes.length > 1
  const ends = nodes.filter((_, i) => i === 0 || i === nodes.length - 1)
  return [
    ...nodes.map((node) => ({
      ...nodePeer("tlsroute", "gateway", join(here, "tlsroute.mjs"), node, several),
      ...(ends.includes(node) ? {} : { only: "main" }),
    })),
    ...ends.map((node) => commandPeer(node, several)),
    ...ends.slice(-1).map((node) => controllerPeer(node, several)),
    ...nativePeers(),
    ...ends.map((node) => nodePeer("socket.pipe", "script", join(here, "naive.mjs"), node, several)),
    ...scripts.flatMap((script) => ends.map((node) => nodePeer(parse(script).name, "script", script, node, several))),
    ...["sni", "read-tls-client-hello"].flatMap((name) => ends.map((node) => parserPeer(name, node, several))),
  ]
}

/**
 * @param {string} name
 * @param {"gateway" | "script"} kind
 * @param {string} script
 * @param {string} node
 * @param {boolean} several whether it is measured on more than one Node.js
 * @returns {Peer | MissingPeer}
 */
function nodePeer(name, kind, script, node, several) {
  const identity = onNode(name, node, several)
  if (kind === "gateway" && !existsSync(join(dist, "index.js"))) return { ...identity, missing: notBuilt }
  return {
    ...identity,
    kind,
    command: ({ port, routes, workers, situation }) => [
      node,
      script,
      JSON.stringify({ port, routes, workers, situation }),
    ],
    ...(kind === "gateway" && {
      micro: {
        "client-hello.mjs": [node, join(micro, "client-hello.mjs"), "tlsroute"],
        "routing.mjs": [node, join(micro, "routing.mjs")],
        "scale.mjs": [node, join(micro, "scale.mjs")],
      },
    }),
  }
}

/**
 * `tlsroute run` with all that an operator turns on: its log to a file, a line for every connection, admin and metrics.
 *
 * @param {string} node
 * @param {boolean} several
 * @returns {Peer | MissingPeer}
 */
function commandPeer(node, several) {
  const identity = { ...onNode("tlsroute-run", node, several), kind: "command" }
  const cli = join(dist, "cli.js")
  if (!existsSync(cli)) return { ...identity, missing: notBuilt }
  return {
    ...identity,
    title: identity.title.replace("tlsroute-run", "tlsroute run"),
    command({ port, routes, directory }) {
      const manifest = join(directory, "objects.json")
      const items = Object.values(gatewayObjects({ port, routes })).flat()
      writeFileSync(manifest, JSON.stringify({ apiVersion: "v1", kind: "List", items }))
      return outputTo(join(directory, "access.log"), [node, cli, "run", ...servingFlags, manifest])
    },
  }
}

/**
 * `tlsroute controller` with the same, which takes its objects from an API server and writes their statuses: the tests'
 * stand-in for one, in the process of the benchmark.
 *
 * @param {string} node
 * @param {boolean} several
 * @returns {Peer | MissingPeer}
 */
function controllerPeer(node, several) {
  const identity = { ...onNode("tlsroute-controller", node, several), kind: "command" }
  const cli = join(dist, "cli.js")
  if (!existsSync(cli)) return { ...identity, missing: notBuilt }
  return {
    ...identity,
    title: identity.title.replace("tlsroute-controller", "tlsroute controller"),
    only: "main",
    async command({ port, routes, directory }) {
      const kubeconfig = join(directory, "kubeconfig.json")
      writeFileSync(kubeconfig, await serveObjects(gatewayObjects({ port, routes })))
      const flags = ["--create-gateway-class", "--kubeconfig", kubeconfig, ...servingFlags]
      return outputTo(join(directory, "access.log"), [node, cli, "controller", ...flags])
    },
  }
}

/**
 * @param {string} name package on npm
 * @param {string} node
 * @param {boolean} several
 * @returns {Peer | MissingPeer}
 */
function parserPeer(name, node, several) {
  const identity = onNode(name, node, several)
  const manifest = fileURLToPath(new URL(`../../node_modules/${name}/package.json`, import.meta.url))
  if (!existsSync(manifest)) return { ...identity, missing: "not installed: run `npm ci`" }
  const { version } = JSON.parse(readFileSync(manifest, "utf8"))
  const command = [node, join(micro, "client-hello.mjs"), name]
  return {
    ...identity,
    kind: "library",
    version: `${version}, ${identity.version}`,
    micro: { "client-hello.mjs": command },
  }
}

/**
 * @param {string} name
 * @param {string} node
 * @param {boolean} several
 */
function onNode(name, node, several) {
  const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim()
  const major = version.slice(1).split(".")[0]
  return {
    id: several ? `${name}-node${major}` : name,
    title: several ? `${name}, Node ${major}` : name,
    version: `Node.js ${version}`,
  }
}
