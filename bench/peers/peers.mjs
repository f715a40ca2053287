import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join, parse } from "node:path"
import { fileURLToPath } from "node:url"

/**
 * @typedef {object} Launch What a peer needs to start.
 * @property {number} port TCP port to listen on, 127.0.0.1
 * @property {Record<string, number>} routes backend port on 127.0.0.1 by server name
 * @property {string} directory for configuration and process files, made for this process alone
 * @property {number} [workers] for the gateway: how many; by default none but the thread itself
 *
 * @typedef {object} Peer What is under measurement: a proxy, a library or both.
 * @property {string} id
 * @property {string} title
 * @property {"gateway" | "native" | "script" | "library"} kind
 * @property {string} version as the program tells it
 * @property {(launch: Launch) => string[]} [command] writes a proxy's configuration and returns the command line
 * @property {Record<string, string[]>} [micro] command line by program in bench/micro
 *
 * @typedef {object} MissingPeer
 * @property {string} id
 * @property {string} title
 * @property {string} missing what to do about it
 */

const here = fileURLToPath(new URL(".", import.meta.url))
const micro = fileURLToPath(new URL("../micro/", import.meta.url))
const dist = fileURLToPath(new URL("../../dist/index.js", import.meta.url))
const install = "not installed: run `sudo sh bench/install-peers.sh`"

/**
 * Every peer, those that cannot be run included.
 *
 * @param {readonly string[]} nodes paths of the Node.js binaries to run the Node peers on
 * @param {readonly string[]} scripts paths of further proxies, that take the same argument as naive.mjs
 * @returns {(Peer | MissingPeer)[]}
 */
export function findPeers(nodes, scripts) {
  const several = nodes.length > 1
  return [
    ...nodes.map((node) => nodePeer("tlsroute", "gateway", join(here, "tlsroute.mjs"), node, several)),
    native("haproxy", "HAProxy", "haproxy", ["-v"], (launch) => haproxy(launch, false)),
    native("haproxy-splice", "HAProxy, splice-auto", "haproxy", ["-v"], (launch) => haproxy(launch, true)),
    native("nginx", "NGINX", "nginx", ["-v"], (launch) => nginx(launch, "16k")),
    native("nginx-64k", "NGINX, 64k buffers", "nginx", ["-v"], (launch) => nginx(launch, "64k")),
    native("sniproxy", "sniproxy", "sniproxy", ["-V"], sniproxy),
    ...nodes.map((node) => nodePeer("socket.pipe", "script", join(here, "naive.mjs"), node, several)),
    ...scripts.flatMap((script) => nodes.map((node) => nodePeer(parse(script).name, "script", script, node, several))),
    ...["sni", "read-tls-client-hello"].flatMap((name) => nodes.map((node) => parserPeer(name, node, several))),
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
  if (kind === "gateway" && !existsSync(dist)) return { ...identity, missing: "not built: run `npm run build`" }
  return {
    ...identity,
    kind,
    command: ({ port, routes, workers }) => [node, script, JSON.stringify({ port, routes, workers })],
    ...(kind === "gateway" && {
      micro: {
        "client-hello.mjs": [node, join(micro, "client-hello.mjs"), "tlsroute"],
        "routing.mjs": [node, join(micro, "routing.mjs")],
      },
    }),
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

/**
 * @param {string} id
 * @param {string} title
 * @param {string} program
 * @param {string[]} versionArguments
 * @param {Peer["command"]} command
 * @returns {Peer | MissingPeer}
 */
function native(id, title, program, versionArguments, command) {
  const told = spawnSync(program, versionArguments, { encoding: "utf8" })
  if (told.error) return { id, title, missing: install }
  if (program === "nginx" && !existsSync(nginxStreamModule)) {
    return { id, title, missing: "its stream module is not installed: run `sudo sh bench/install-peers.sh`" }
  }
  const version = /\d+(\.\d+)+[^\s]*/.exec(told.stdout + told.stderr)?.[0] ?? "unknown"
  return { id, title, kind: "native", version, command }
}

/**
 * @param {Launch} launch
 * @param {boolean} splice
 */
function haproxy({ port, routes, directory }, splice) {
  const names = Object.keys(routes)
  const file = join(directory, "haproxy.cfg")
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 6000
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
${splice ? "  option splice-auto\n" : ""}frontend tls
  bind 127.0.0.1:${port} backlog 4096
  tcp-request inspect-delay 5s
  tcp-request content accept if { req.ssl_hello_type 1 }
  tcp-request content reject if WAIT_END
${names.map((name, i) => `  use_backend backend${i} if { req.ssl_sni -i ${name} }`).join("\n")}
${names.map((name, i) => `backend backend${i}\n  server server 127.0.0.1:${routes[name]}`).join("\n")}
`,
  )
  return ["haproxy", "-db", "-f", file]
}

const nginxStreamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

/**
 * @param {Launch} launch
 * @param {string} bufferSize NGINX's default is 16k
 */
function nginx({ port, routes, directory }, bufferSize) {
  const file = join(directory, "nginx.conf")
  const entries = Object.entries(routes)
  writeFileSync(
    file,
    `load_module ${nginxStreamModule};
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events {
  worker_connections 19000;
}
stream {
  map $ssl_preread_server_name $backend {
    hostnames;
${entries.map(([name], i) => `    ${name} backend${i};`).join("\n")}
  }
${entries.map(([, backend], i) => `  upstream backend${i} { server 127.0.0.1:${backend}; }`).join("\n")}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    ssl_preread on;
    tcp_nodelay on;
    proxy_buffer_size ${bufferSize};
    proxy_timeout 1h;
    proxy_pass $backend;
  }
}
`,
  )
  return ["nginx", "-c", file, "-p", directory, "-e", `${directory}/error.log`]
}

/** @param {Launch} launch */
function sniproxy({ port, routes, directory }) {
  const file = join(directory, "sniproxy.conf")
  writeFileSync(
    file,
    `pidfile ${directory}/sniproxy.pid
error_log {
  filename ${directory}/error.log
  priority error
}
listener 127.0.0.1:${port} {
  protocol tls
  table backends
}
table backends {
${Object.entries(routes)
  .map(([name, backend]) => `  ^${name.replaceAll(".", "\\\\.")}$ 127.0.0.1:${backend}`)
  .join("\n")}
}
`,
  )
  return ["sniproxy", "-f", "-n", "20000", "-c", file]
}
