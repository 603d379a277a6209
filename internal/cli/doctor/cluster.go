package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	kube "k8s.io/client-go/kubernetes"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// cluster is the Kubernetes API.
type cluster struct {
	kube.Interface
	records   dynamic.Interface
	namespace string
}

// clusterTimeout is how long one question to the Kubernetes API may take.
const clusterTimeout = 15 * time.Second

// leaseName is the Lease of whoever leads.
const leaseName = "iotfile-operator"

const noCluster = "the Kubernetes API cannot be asked"

// kubernetes asks whether the Kubernetes API answers.
func kubernetes(_ context.Context, e *examination) []Finding {
	const name = "Kubernetes API"
	const remedy = "check --kubeconfig and --context: kubectl version has to answer with them"
	config, namespace, err := e.Flags.Kube()
	if err != nil {
		return one(name, Failure, err.Error(), remedy)
	}
	config.Timeout = clusterTimeout
	client, err := kube.NewForConfig(config)
	if err != nil {
		return one(name, Failure, err.Error(), remedy)
	}
	records, err := dynamic.NewForConfig(config)
	if err != nil {
		return one(name, Failure, err.Error(), remedy)
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return one(name, Failure, err.Error(), remedy)
	}
	e.cluster = &cluster{client, records, namespace}
	return one(name, OK, config.Host+", "+version.GitVersion, "")
}

// kinds asks whether the cluster has the kinds.
func kinds(_ context.Context, e *examination) []Finding {
	const name = "kinds"
	if e.cluster == nil {
		return unknown(noCluster, name)
	}
	const remedy = "install the CRDs of this version: docs/install.md"
	list, err := e.cluster.Discovery().ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if apierrors.IsNotFound(err) {
		return one(name, Failure, "the cluster has no "+v1alpha1.GroupVersion.String(), remedy)
	}
	if err != nil {
		return unknown(err.Error(), name)
	}
	there := map[string]bool{}
	for _, r := range list.APIResources {
		there[r.Name] = true
	}
	for _, kind := range []string{"multipartuploads", "filestores"} {
		if !there[kind] {
			return one(name, Failure, "the cluster has no "+kind+" in "+v1alpha1.GroupVersion.String(), remedy)
		}
	}
	return one(name, OK, v1alpha1.GroupVersion.String(), "")
}

// operator asks whether one leads: a Lease that is renewed tells that it runs and reaches the API.
func operator(ctx context.Context, e *examination) []Finding {
	const name = "operator"
	if e.cluster == nil {
		return unknown(noCluster, name)
	}
	namespace := e.Flags.OperatorNamespace()
	lease, err := e.cluster.CoordinationV1().Leases(namespace).Get(ctx, leaseName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return unknown("no Lease "+leaseName+" is in the namespace "+namespace+": it is installed elsewhere (--operator-namespace), has never led, or runs without leader election", name)
	case apierrors.IsForbidden(err):
		return unknown("you may not read the Lease "+leaseName+" in the namespace "+namespace, name)
	case err != nil:
		return unknown(err.Error(), name)
	}
	if lease.Spec.RenewTime == nil || lease.Spec.HolderIdentity == nil || lease.Spec.LeaseDurationSeconds == nil {
		return unknown("the Lease "+leaseName+" says nothing", name)
	}
	// A minute more than the lease, for clocks that differ.
	age := time.Since(lease.Spec.RenewTime.Time)
	if *lease.Spec.HolderIdentity == "" || age > time.Duration(*lease.Spec.LeaseDurationSeconds)*time.Second+time.Minute {
		return one(name, Failure, fmt.Sprintf("nobody leads since %s", lease.Spec.RenewTime.UTC().Format(time.RFC3339)),
			"look at its pods: kubectl -n "+namespace+" get pods -l app.kubernetes.io/name=iotfile-operator")
	}
	return one(name, OK, *lease.Spec.HolderIdentity+" leads", "")
}

// Names of what is told of the store.
const (
	checkStore      = "FileStore"
	checkProtection = "protection"
	checkReaper     = "reaper"
)

// store tells of the FileStore that serves the namespace.
func store(ctx context.Context, e *examination) []Finding {
	all := []string{checkStore, checkProtection, checkReaper}
	if e.cluster == nil {
		return unknown(noCluster, all...)
	}
	list, err := e.cluster.records.Resource(v1alpha1.GroupVersion.WithResource("filestores")).List(ctx, metav1.ListOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return unknown("you may not list FileStores: the ClusterRole iotfile-upload-viewer lets you", all...)
	case err != nil:
		return unknown(err.Error(), all...)
	}
	wanted := ""
	if ns, err := e.cluster.CoreV1().Namespaces().Get(ctx, e.cluster.namespace, metav1.GetOptions{}); err == nil {
		wanted = ns.Annotations[v1alpha1.AnnotationNamespaceStore]
	}
	for _, item := range list.Items {
		fs := &v1alpha1.FileStore{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, fs); err != nil {
			return unknown(err.Error(), all...)
		}
		if fs.Name == wanted || wanted == "" && fs.Annotations[v1alpha1.AnnotationDefaultStore] == "true" {
			return storeFindings(fs)
		}
	}
	detail := "no FileStore is the default one"
	if wanted != "" {
		detail = "the namespace " + e.cluster.namespace + " names the FileStore " + wanted + ", which does not exist"
	}
	return append(one(checkStore, Failure, detail, "make one, or annotate the namespace: docs/spec/filestore.md"), unknown(detail, checkProtection, checkReaper)...)
}

// storeFindings reads the conditions of a FileStore.
func storeFindings(fs *v1alpha1.FileStore) []Finding {
	describe := "kubectl describe filestore " + fs.Name
	out := conditionFinding(checkStore, fs, v1alpha1.ConditionReady, Failure, describe)
	out = append(out, conditionFinding(checkProtection, fs, v1alpha1.ConditionProtected, Warning, "what follows is in docs/object-stores.md; "+describe)...)
	if c := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionUploadsLost); c != nil && c.Status == metav1.ConditionTrue {
		return append(out, Finding{checkReaper, Failure, oneLine(c.Message), "have the bucket keep incomplete uploads for longer than uploadTTL: docs/object-stores.md"})
	}
	return append(out, unknown("object storage has deleted no upload before its time so far; a rule that it has cannot be asked for", checkReaper)...)
}

// conditionFinding tells of a condition that is to be True.
func conditionFinding(name string, fs *v1alpha1.FileStore, condition string, bad State, remedy string) []Finding {
	c := meta.FindStatusCondition(fs.Status.Conditions, condition)
	switch {
	case c == nil:
		return unknown(fs.Name+" has no condition "+condition+" yet", name)
	case c.Status == metav1.ConditionTrue:
		return one(name, OK, fs.Name, "")
	case c.Status == metav1.ConditionUnknown:
		return unknown(fs.Name+": "+oneLine(c.Message), name)
	}
	return one(name, bad, fs.Name+": "+c.Reason+": "+oneLine(c.Message), remedy)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
