# The manager: docker build -f docker/manager.Dockerfile -t mtx-manager .
FROM node:22-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json tsconfig.build.json ./
# With scripts: the SQLite driver is compiled, or fetched, for this very image.
RUN npm ci
COPY scripts scripts
COPY src src
COPY src-sidecar src-sidecar
RUN npm run build
# What an app has beside this package (its peers) becomes the image's own, in the locked versions; tools go.
RUN node -e 'const fs = require("fs"), p = require("./package.json"); for (const name of Object.keys(p.peerDependencies)) if (!p.peerDependenciesMeta[name]?.optional) p.dependencies[name] = p.devDependencies[name]; delete p.devDependencies; delete p.peerDependencies; fs.writeFileSync("package.json", JSON.stringify(p))' \
    && npm prune

# The same distribution as above: the driver is linked against its libraries.
FROM node:22-bookworm-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
# A new volume takes over owner and mode from here.
RUN mkdir --mode=0700 /data && chown node:node /data
USER node
VOLUME /data
ENV NODE_ENV=production \
    MANAGER_HOST=0.0.0.0 \
    MANAGER_PORT=8080 \
    MANAGER_DATA=/data \
    MANAGER_LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.MANAGER_PORT}/readyz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# It is process 1 and handles SIGTERM itself: it drains, and exits with 0.
ENTRYPOINT ["node", "dist/cli/mtx-manager.js"]
CMD ["serve", "--quiet"]
