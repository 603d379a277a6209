package doctor

import (
	"context"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/connection"
)

const checkVersion = "version"

// versions compares the version of the operator with that of this program.
func versions(ctx context.Context, e *examination) []Finding {
	if e.server == nil {
		return unknown(noServer, checkVersion)
	}
	operator, err := e.server.OperatorVersion(ctx)
	switch {
	case err != nil:
		return unknown(err.Error(), checkVersion)
	case operator == "":
		return unknown("the operator does not tell it: it is older than this program, or a hop takes headers away", checkVersion)
	}
	if skew := connection.Skew(operator); skew != "" {
		return one(checkVersion, Warning, skew, "go install github.com/iotfile-operator/iotfile-operator/cmd/kubectl-iotfile@v"+operator)
	}
	return one(checkVersion, OK, "the operator is "+operator, "")
}
