# The image of the control plane: Node.js, the compiled sources and the packages that they need, nothing else.
# docker build -t gatewright:0.1.0 .

FROM docker.io/library/node:26-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# Not "npm ci": see the Makefile. No package runs anything while it is installed.
RUN npm install --no-save --ignore-scripts --loglevel=error
COPY tsconfig.json LICENSE ./
COPY scripts scripts
COPY protos protos
COPY envoy-bootstrap envoy-bootstrap
COPY examples/quickstart examples/quickstart
COPY src src
RUN node scripts/generate-codecs.ts && npm run build && node scripts/image-files.ts /image/app

# glibc and libstdc++ without a shell; its user is 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /image/app /app
WORKDIR /app
USER 65532:65532
EXPOSE 18000 19001
# Proxies and tenants choose keys of objects: none of them is a way to a prototype.
ENTRYPOINT ["/usr/local/bin/node", "--disable-proto=delete", "/app/dist/main.js"]
CMD ["serve"]
