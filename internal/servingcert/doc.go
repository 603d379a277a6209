// Package servingcert gives a TLS server its certificate from a Secret, and keeps that Secret
// renewed where nobody else does.
//
// A Source serves what is in the Secret, whoever wrote it, and follows its changes without a
// restart or a dropped connection; every replica has one. An Issuer writes it: it is its own
// certificate authority, works on the replica that holds the lease, and has the webhook
// configurations trust what it issues. In a cluster with cert-manager, that writes the Secret, with
// the same keys (tls.crt, tls.key, ca.crt), and there is no Issuer.
//
// The certificate of the REST API is in files, which somebody else mounts and replaces. A Publisher
// tells everybody in the cluster, in a ConfigMap, which authorities it is checked with.
//
// Rights that an Issuer uses, for the webhooks:
//
// +kubebuilder:rbac:groups="",namespace=iotfile-system,resources=secrets,resourceNames=iotfile-operator-webhook-certificate,verbs=update
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=mutatingwebhookconfigurations;validatingwebhookconfigurations,resourceNames=iotfile-operator,verbs=list;watch;patch
//
// Rights that a Publisher uses:
//
// +kubebuilder:rbac:groups="",namespace=iotfile-system,resources=configmaps,verbs=get;create;update
package servingcert
