import { echoImage, nodeImage } from './gateway.ts'

/** What the strictest level of Pod Security asks for. */
const restricted = `
          securityContext:
            allowPrivilegeEscalation: false
            runAsNonRoot: true
            runAsUser: 65532
            capabilities: {drop: [ALL]}
            seccompProfile: {type: RuntimeDefault}`

/** The application of the first journey: ServiceAccount, Service on port 3000, Deployment of the echo server. */
export function echoApplication(name: string, replicas = 1): string {
  return `
apiVersion: v1
kind: ServiceAccount
metadata: {name: ${name}}
---
apiVersion: v1
kind: Service
metadata:
  name: ${name}
  labels: {app: ${name}, service: ${name}}
spec:
  ports: [{name: http, port: 3000, targetPort: 3000}]
  selector: {app: ${name}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}, version: v1}}
  template:
    metadata: {labels: {app: ${name}, version: v1}}
    spec:
      serviceAccountName: ${name}
      terminationGracePeriodSeconds: 2
      containers:
        - name: ${name}
          image: ${echoImage}
          ports: [{containerPort: 3000}]
          readinessProbe: {tcpSocket: {port: 3000}, periodSeconds: 1}
          env:
            - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
            - {name: SERVICE_NAME, value: ${name}}${restricted}
`
}

/**
 * A server that does what tutorials ask of their example servers: /delay/2, /status/500, anything else as JSON of
 * what it saw. It says in the field "body" who it is, and ends as a good citizen: not ready first, then no new
 * connections, then the end of those that are there.
 */
const server = `
const http = require('node:http')
let ending = false
const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://server')
  const delay = Number(/^\\/delay\\/([\\d.]+)$/.exec(pathname)?.[1] ?? 0) * 1000
  const status = Number(/^\\/status\\/(\\d{3})$/.exec(pathname)?.[1] ?? 200)
  if (pathname === '/ready') return response.writeHead(ending ? 503 : 200).end()
  request.resume()
  request.on('end', () => setTimeout(() => {
    if (ending) response.setHeader('connection', 'close')
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify({
      path: request.url, host: request.headers.host, method: request.method, headers: request.headers,
      service: process.env.SERVICE_NAME, pod: process.env.POD_NAME, body: process.env.MESSAGE }, null, 1) + '\\n')
  }, delay))
})
server.keepAliveTimeout = 0
server.listen(8080, '::')
process.on('SIGTERM', () => {
  ending = true
  setTimeout(() => { server.close(() => process.exit()); server.closeIdleConnections(); setTimeout(() => process.exit(), 3000) }, 3000)
})
`

export interface ServerOptions {
  readonly name: string
  /** Of the Service; the pod listens on 8080. */
  readonly port: number
  readonly message?: string
  readonly replicas?: number
  /** Pods of several Deployments may stand behind one Service; \`app\` selects them. */
  readonly labels?: Readonly<Record<string, string>>
}

/** Deployment and Service of {@link server}. */
export function serverApplication({ name, port, message = '', replicas = 1, labels = {} }: ServerOptions): string {
  const podLabels = JSON.stringify({ app: name, ...labels })
  return `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}-server}
data:
  server.js: |
${server.trim().replace(/^/gm, '    ')}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, labels: {app: ${name}}}
spec:
  ports: [{name: http, port: ${port}, targetPort: 8080}]
  selector: {app: ${name}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 2}}
  selector: {matchLabels: ${podLabels}}
  template:
    metadata: {labels: ${podLabels}}
    spec:
      terminationGracePeriodSeconds: 15
      containers:
        - name: server
          image: ${nodeImage}
          command: [node, /app/server.js]
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1, failureThreshold: 1}
          env:
            - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: SERVICE_NAME, value: ${name}}
            - {name: MESSAGE, value: ${JSON.stringify(message)}}
          volumeMounts: [{name: server, mountPath: /app}]${restricted}
      volumes: [{name: server, configMap: {name: ${name}-server}}]
`
}
