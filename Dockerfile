# syntax=docker/dockerfile:1
# The operator: one static binary and what it reads, no shell, no libc, not root. For other platforms than one's own, Go cross-compiles; nothing is emulated:
#
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/iotfile-operator:TAG --push .
#
# The command line, for Jobs and sidecars that move files, is an image of its own, made in the same way:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --target cli -t REGISTRY/kubectl-iotfile:TAG --push .

# That of internal/version/VERSION, which the binary has in it.
ARG VERSION=0.1.0

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src

# Modules first: they change less often than code, and the layer is kept.
COPY go.mod go.sum go.work ./
COPY client/go.mod client/go.sum client/
RUN --mount=type=cache,target=/go/pkg/mod go mod download

COPY api api
COPY cmd/operator cmd/operator
COPY controllers controllers
COPY internal internal
COPY webhook webhook
COPY hack/imageroot hack/imageroot
COPY LICENSE .

ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags '-s -w' -o /image/operator ./cmd/operator

# Users, certificate authorities, and the licences of all that the binary is made of.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go run -trimpath ./hack/imageroot -goarch=$TARGETARCH -to=/image

FROM build AS build-cli
COPY client client
COPY cmd/kubectl-iotfile cmd/kubectl-iotfile

ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags '-s -w' -o /cli/kubectl-iotfile ./cmd/kubectl-iotfile

RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go run -trimpath ./hack/imageroot -goarch=$TARGETARCH -program=./cmd/kubectl-iotfile -to=/cli

FROM scratch AS cli
ARG VERSION
LABEL org.opencontainers.image.title=kubectl-iotfile org.opencontainers.image.version=$VERSION
COPY --from=build-cli /cli /
USER 65532:65532
ENTRYPOINT ["/kubectl-iotfile"]

FROM scratch
ARG VERSION
LABEL org.opencontainers.image.title=iotfile-operator org.opencontainers.image.version=$VERSION
COPY --from=build /image /
USER 65532:65532
ENTRYPOINT ["/operator"]
