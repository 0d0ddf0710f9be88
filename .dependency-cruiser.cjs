/**
 * The rooms of src/ and what each may import (docs/architecture.md). Imports go one way.
 * To let a room know something from a room it may not import, hand it over as a value from control-plane.ts.
 */
const rooms = {
  base: [],
  gen: [],
  config: ['base'],
  collections: ['base'],
  gatewayapi: ['base'],
  graph: ['base', 'collections', 'gatewayapi'],
  policies: ['base', 'collections', 'gatewayapi', 'graph'],
  envoy: ['base', 'collections', 'gatewayapi', 'graph', 'policies', 'xds', 'gen'],
  xds: ['base', 'collections', 'gen'],
  status: ['base', 'collections', 'gatewayapi', 'graph', 'policies'],
  infrastructure: ['base', 'collections', 'gatewayapi', 'graph'],
  // Of xds the port alone that the authenticator for Kubernetes implements.
  providers: ['base', 'collections', 'gatewayapi', 'infrastructure', 'status', 'xds/authenticator.ts'],
  admin: ['base', 'collections', 'xds'],
  cli: ['base', 'config'],
}

const forbidden = Object.entries(rooms).map(([room, allowed]) => ({
  name: `${room}-imports`,
  severity: 'error',
  comment: `src/${room} may import ${allowed.length > 0 ? allowed.join(', ') : 'no other room'}. Pass what it needs as an argument, or move the shared part down into a room that both may import.`,
  from: { path: `^src/${room}/`, pathNot: '\\.test\\.ts$' },
  to: { path: '^src/', pathNot: [room, ...allowed].map((r) => `^src/${r}(/|$)`) },
}))

module.exports = {
  forbidden: [
    ...forbidden,
    {
      name: 'no-testing-in-product',
      severity: 'error',
      comment: 'src/testing and src/corpus are for tests only. What the product needs belongs into a room.',
      from: { path: '^src/', pathNot: ['^src/(testing|corpus)/', '\\.test\\.ts$'] },
      to: { path: '^src/(testing|corpus)/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Two files that import each other are one file, or the shared part is a third one.',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-reflection-codecs',
      severity: 'error',
      comment: 'No codec is built at run time: import src/gen, or protobufjs/minimal.js for its Writer and Reader.',
      from: { path: '^src/', pathNot: ['^src/testing/', '\\.test\\.ts$'] },
      to: {
        path: 'node_modules/(protobufjs/(index|src|light|ext)|@grpc/proto-loader)',
        dependencyTypesNot: ['type-only'],
      },
    },
  ],
  options: {
    // Without swc, dependency-cruiser finds no module in TypeScript 7 sources and passes.
    parser: 'swc',
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^src/gen/.*\\.js$' },
  },
}
