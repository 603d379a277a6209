package reviewserver_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

func TestMain(m *testing.M) {
	// NewDynamicCAContentFromFile of k8s.io/apiserver leaves that of its queue where it fails.
	queue := goleak.IgnoreTopFunction("k8s.io/client-go/util/workqueue.(*delayingType[...]).waitingLoop")
	os.Exit(testkit.CheckLeaks(m.Run(), queue))
}
