import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { out } from "../machine.mjs"

/**
 * @typedef {import("./peers.mjs").Launch} Launch
 * @typedef {import("./peers.mjs").Peer} Peer
 * @typedef {import("./peers.mjs").MissingPeer} MissingPeer
 */

const install = "not installed: run `sudo sh bench/install-peers.sh`"
const installed = join(out, "peers")

/**
 * Proxies that are programs of their own, each as an operator would run it: one core, an access log to a file where it
 * has one for TCP, and limits.
 *
 * @returns {(Peer | MissingPeer)[]}
 */
export function nativePeers() {
  return [
    haproxyPeer("haproxy", "HAProxy", false),
    { ...haproxyPeer("haproxy-splice", "HAProxy, splice-auto", true), only: "bulk" },
    nginxPeer("nginx", "NGINX", "16k"),
    { ...nginxPeer("nginx-64k", "NGINX, 64k buffers", "64k"), only: "bulk" },
    native("envoy", "Envoy", [join(installed, "envoy", "envoy")], ["--version"], envoy),
    native("sniproxy", "sniproxy", ["sniproxy"], ["-V"], sniproxy),
    { ...native("traefik", "Traefik", [join(installed, "traefik", "traefik")], ["version"], traefik), only: "main" },
    { ...native("caddy-l4", "caddy-l4", [join(installed, "caddy", "caddy")], undefined, caddy), only: "main" },
    {
      ...native("tcpproxy", "inetaf/tcpproxy", [join(installed, "tcpproxy", "tcpproxy")], undefined, tcpproxy),
      only: "main",
    },
  ]
}

/**
 * @param {string} id
 * @param {string} title
 * @param {readonly string[]} program with the arguments that are always first
 * @param {readonly string[] | undefined} versionArguments without, a file beside the program tells the version
 * @param {(launch: Launch, program: readonly string[]) => string[]} command
 * @returns {Peer | MissingPeer}
 */
function native(id, title, program, versionArguments, command) {
  const told = versionArguments ? toldVersion(program, versionArguments) : builtVersion(program[0])
  if (told === undefined) return { id, title, missing: install }
  const version = /\d+(\.\d+)+[^\s/]*/.exec(told)?.[0] ?? "unknown"
  return { id, title, kind: "native", version, command: (launch) => command(launch, program) }
}

/**
 * @param {readonly string[]} program
 * @param {readonly string[]} versionArguments
 */
function toldVersion([program, ...first], versionArguments) {
  const told = spawnSync(program, [...first, ...versionArguments], { encoding: "utf8" })
  return told.error || told.status !== 0 ? undefined : told.stdout + told.stderr
}

/** @param {string} program */
function builtVersion(program) {
  const file = join(program, "..", "version")
  return existsSync(program) && existsSync(file) ? readFileSync(file, "utf8").trim().replace(/^.*@/, "") : undefined
}

/**
 * Runs a program in place of the shell, with its standard output in a file.
 *
 * @param {string} file
 * @param {readonly string[]} command
 * @returns {string[]}
 */
export function outputTo(file, command) {
  return ["sh", "-c", 'log=$1; shift; exec "$@" >"$log"', "sh", file, ...command]
}

/**
 * @param {string} id
 * @param {string} title
 * @param {boolean} splice
 */
function haproxyPeer(id, title, splice) {
  const libraries = join(installed, "haproxy", "usr/lib/x86_64-linux-gnu")
  const newest = [
    join(libraries, "ld-linux-x86-64.so.2"),
    "--library-path",
    libraries,
    join(installed, "haproxy", "usr/sbin/haproxy"),
  ]
  const program = toldVersion(newest, ["-v"]) === undefined ? ["haproxy"] : newest
  return native(id, title, program, ["-v"], (launch) => haproxy(launch, program, splice))
}

/**
 * @param {Launch} launch
 * @param {readonly string[]} program
 * @param {boolean} splice
 */
function haproxy({ port, routes, directory }, program, splice) {
  const names = Object.keys(routes)
  // Splicing takes descriptors for its pipes too.
  const most = splice ? 6000 : 9500
  const file = join(directory, "haproxy.cfg")
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn ${most}
  log stdout format raw local0
defaults
  mode tcp
  log global
  option tcplog
  timeout connect 5s
  timeout client 1h
  timeout server 1h
${splice ? "  option splice-auto\n" : ""}frontend tls
  bind 127.0.0.1:${port} backlog 4096
  maxconn ${most - 100}
  tcp-request inspect-delay 5s
  tcp-request content accept if { req.ssl_hello_type 1 }
  tcp-request content reject if WAIT_END
${names.map((name, i) => `  use_backend backend${i} if { req.ssl_sni -i ${name} }`).join("\n")}
${names.map((name, i) => `backend backend${i}\n  server server 127.0.0.1:${routes[name]}`).join("\n")}
`,
  )
  return outputTo(join(directory, "access.log"), [...program, "-db", "-f", file])
}

const nginxStreamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

/**
 * @param {string} id
 * @param {string} title
 * @param {string} bufferSize NGINX's default is 16k
 * @returns {Peer | MissingPeer}
 */
function nginxPeer(id, title, bufferSize) {
  const newest = join(installed, "nginx", "nginx")
  if (existsSync(newest)) {
    return native(id, title, [newest], ["-v"], (launch, program) => nginx(launch, program, bufferSize, ""))
  }
  if (!existsSync(nginxStreamModule)) return { id, title, missing: install }
  const module = `load_module ${nginxStreamModule};\n`
  return native(id, title, ["nginx"], ["-v"], (launch, program) => nginx(launch, program, bufferSize, module))
}

/**
 * @param {Launch} launch
 * @param {readonly string[]} program
 * @param {string} bufferSize
 * @param {string} modules
 */
function nginx({ port, routes, directory }, program, bufferSize, modules) {
  const file = join(directory, "nginx.conf")
  const entries = Object.entries(routes)
  writeFileSync(
    file,
    `${modules}daemon off;
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
  log_format access '$remote_addr:$remote_port [$time_iso8601] $ssl_preread_server_name $upstream_addr $status '
                    '$bytes_received $bytes_sent $upstream_bytes_sent $upstream_bytes_received '
                    '$upstream_connect_time $session_time';
  limit_conn_zone $binary_remote_addr zone=clients:1m;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    access_log ${directory}/access.log access;
    limit_conn clients 9400;
    ssl_preread on;
    tcp_nodelay on;
    proxy_buffer_size ${bufferSize};
    proxy_timeout 1h;
    proxy_pass $backend;
  }
}
`,
  )
  return [...program, "-c", file, "-p", directory, "-e", `${directory}/error.log`]
}

/**
 * @param {Launch} launch
 * @param {readonly string[]} program
 */
function envoy({ port, routes, directory }, program) {
  const socket = (number) => ({ socket_address: { address: "127.0.0.1", port_value: number } })
  const typed = (type, fields) => ({ "@type": `type.googleapis.com/envoy.${type}`, ...fields })
  const entries = Object.entries(routes)
  const accessLog = {
    name: "envoy.access_loggers.file",
    typed_config: typed("extensions.access_loggers.file.v3.FileAccessLog", {
      path: join(directory, "access.log"),
      log_format: {
        text_format_source: {
          inline_string:
            "[%START_TIME%] %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %UPSTREAM_HOST% %RESPONSE_FLAGS% " +
            "%BYTES_RECEIVED% %BYTES_SENT% %DURATION%\n",
        },
      },
    }),
  }
  const configuration = {
    static_resources: {
      listeners: [
        {
          name: "tls",
          address: socket(port),
          tcp_backlog_size: 4096,
          listener_filters: [
            {
              name: "tls_inspector",
              typed_config: typed("extensions.filters.listener.tls_inspector.v3.TlsInspector"),
            },
          ],
          filter_chains: entries.map(([name], i) => ({
            filter_chain_match: { server_names: [name] },
            filters: [
              {
                name: "tcp_proxy",
                typed_config: typed("extensions.filters.network.tcp_proxy.v3.TcpProxy", {
                  stat_prefix: `backend${i}`,
                  cluster: `backend${i}`,
                  access_log: [accessLog],
                }),
              },
            ],
          })),
        },
      ],
      clusters: entries.map(([, backend], i) => ({
        name: `backend${i}`,
        type: "STATIC",
        circuit_breakers: { thresholds: [{ max_connections: 9400, max_pending_requests: 9400 }] },
        load_assignment: {
          cluster_name: `backend${i}`,
          endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(backend) } }] }],
        },
      })),
    },
    overload_manager: {
      resource_monitors: [
        {
          name: "envoy.resource_monitors.global_downstream_max_connections",
          typed_config: typed("extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig", {
            max_active_downstream_connections: 9400,
          }),
        },
      ],
    },
  }
  const file = join(directory, "envoy.json")
  writeFileSync(file, JSON.stringify(configuration))
  return [...program, "-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
}

/**
 * @param {Launch} launch
 * @param {readonly string[]} program
 */
function sniproxy({ port, routes, directory }, program) {
  const file = join(directory, "sniproxy.conf")
  writeFileSync(
    file,
    `pidfile ${directory}/sniproxy.pid
error_log {
  filename ${directory}/error.log
  priority error
}
access_log {
  filename ${directory}/access.log
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
  return [...program, "-f", "-n", "20000", "-c", file]
}

/**
 * JSON is YAML, which is what it reads. Its access log tells of HTTP requests only: connections that it passes through are in none.
 *
 * @param {Launch} launch
 * @param {readonly string[]} program
 */
function traefik({ port, routes, directory }, program) {
  const entries = Object.entries(routes)
  const dynamic = join(directory, "dynamic.yaml")
  const routers = entries.map(([name], i) => [
    `router${i}`,
    { entryPoints: ["tls"], rule: `HostSNI(\`${name}\`)`, service: `backend${i}`, tls: { passthrough: true } },
  ])
  const services = entries.map(([, backend], i) => [
    `backend${i}`,
    { loadBalancer: { servers: [{ address: `127.0.0.1:${backend}` }] } },
  ])
  writeFileSync(
    dynamic,
    JSON.stringify({ tcp: { routers: Object.fromEntries(routers), services: Object.fromEntries(services) } }),
  )
  const file = join(directory, "traefik.yaml")
  writeFileSync(
    file,
    JSON.stringify({
      global: { checkNewVersion: false, sendAnonymousUsage: false },
      // An error for every connection that a client resets: more than a pipe that nobody reads can hold.
      log: { level: "ERROR", filePath: join(directory, "traefik.log") },
      entryPoints: { tls: { address: `127.0.0.1:${port}` } },
      providers: { file: { filename: dynamic } },
    }),
  )
  return [...program, `--configfile=${file}`]
}

/**
 * It has no access log for layer 4.
 *
 * @param {Launch} launch
 * @param {readonly string[]} program
 */
function caddy({ port, routes, directory }, program) {
  const file = join(directory, "caddy.json")
  const server = {
    listen: [`127.0.0.1:${port}`],
    routes: Object.entries(routes).map(([name, backend]) => ({
      match: [{ tls: { sni: [name] } }],
      handle: [{ handler: "proxy", upstreams: [{ dial: [`127.0.0.1:${backend}`] }] }],
    })),
  }
  writeFileSync(
    file,
    JSON.stringify({
      admin: { disabled: true, config: { persist: false } },
      logging: { logs: { default: { level: "ERROR" } } },
      apps: { layer4: { servers: { tls: server } } },
    }),
  )
  return [...program, "run", "--config", file]
}

/**
 * It has no log.
 *
 * @param {Launch} launch
 * @param {readonly string[]} program
 */
function tcpproxy({ port, routes }, program) {
  return [...program, JSON.stringify({ port, routes })]
}
