package servingcert

import (
	"context"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// settle is how long API servers are given to notice that a webhook configuration has changed,
// before anything else does.
const settle = 5 * time.Second

// Issuer keeps a Secret renewed, and has webhook configurations trust what it issues. It never
// creates the Secret, which is part of the manifests, so that it needs the right to change that one
// and no other. All fields but Webhooks are required.
type Issuer struct {
	// Client reads from the informer cache, and writes.
	Client client.Client
	// Secret to keep. It may be empty at first.
	Secret types.NamespacedName
	// Webhooks is the name of the MutatingWebhookConfiguration and the
	// ValidatingWebhookConfiguration that the server is called by; empty for none.
	Webhooks string
	// Policy says what is issued.
	Policy Policy
	// Clock tells the time.
	Clock clock.PassiveClock
}

// SetupWithManager registers the issuer: it runs on the replica that holds the lease.
func (i *Issuer) SetupWithManager(mgr ctrl.Manager) error {
	if err := i.Policy.validate(); err != nil {
		return err
	}
	only := func(namespace, name string) builder.Predicates {
		return builder.WithPredicates(predicate.NewPredicateFuncs(func(obj client.Object) bool {
			return obj.GetNamespace() == namespace && obj.GetName() == name
		}))
	}
	b := ctrl.NewControllerManagedBy(mgr).Named("certificate-"+i.Secret.Name).
		For(&corev1.Secret{}, only(i.Secret.Namespace, i.Secret.Name))
	if i.Webhooks != "" {
		toSecret := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: i.Secret}}
		})
		b = b.Watches(&admissionv1.MutatingWebhookConfiguration{}, toSecret, only("", i.Webhooks)).
			Watches(&admissionv1.ValidatingWebhookConfiguration{}, toSecret, only("", i.Webhooks))
	}
	return b.Complete(i)
}

// Reconcile does what is due. It is no failure if somebody changes what it writes meanwhile, or the
// cache was behind, or two replicas were leader for a moment: the next pass looks.
func (i *Issuer) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	result, err := i.pass(ctx)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return reconcile.Result{RequeueAfter: time.Second}, nil
	}
	return result, err
}

// pass tells clients first and renews afterwards: nothing new is made before what is there is
// trusted everywhere.
func (i *Issuer) pass(ctx context.Context) (reconcile.Result, error) {
	secret := &corev1.Secret{}
	if err := i.Client.Get(ctx, i.Secret, secret); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if trusted := secret.Data[KeyTrusted]; len(trusted) > 0 {
		changed, err := i.inject(ctx, trusted)
		switch {
		case err != nil:
			return reconcile.Result{}, err
		case changed:
			return reconcile.Result{RequeueAfter: min(settle, i.Policy.Overlap)}, nil
		}
	}
	renewed, next, err := i.Policy.Renew(secret.Data, i.Clock.Now())
	if err != nil {
		return reconcile.Result{}, err
	}
	if renewed == nil {
		return reconcile.Result{RequeueAfter: max(next.Sub(i.Clock.Now()), time.Millisecond)}, nil
	}
	updated := secret.DeepCopy()
	updated.Data = renewed
	//nolint:forbidigo // the cache keeps Secrets whole, but for managed fields, which an Update may leave out
	if err := i.Client.Update(ctx, updated); err != nil {
		return reconcile.Result{}, fmt.Errorf("renew the certificate in the Secret %s: %w", i.Secret, err)
	}
	log.FromContext(ctx).Info("renewed the serving certificate or its authority", "secret", i.Secret.String())
	return reconcile.Result{}, nil // the event of this change brings the next pass
}

// inject writes what is to be trusted into the webhook configurations, and reports whether it was
// news to any of them.
func (i *Issuer) inject(ctx context.Context, trusted []byte) (changed bool, err error) {
	if i.Webhooks == "" {
		return false, nil
	}
	mutating, validating := &admissionv1.MutatingWebhookConfiguration{}, &admissionv1.ValidatingWebhookConfiguration{}
	for _, config := range []struct {
		object client.Object
		hooks  func() []*admissionv1.WebhookClientConfig
	}{
		{mutating, func() (out []*admissionv1.WebhookClientConfig) {
			for n := range mutating.Webhooks {
				out = append(out, &mutating.Webhooks[n].ClientConfig)
			}
			return out
		}},
		{validating, func() (out []*admissionv1.WebhookClientConfig) {
			for n := range validating.Webhooks {
				out = append(out, &validating.Webhooks[n].ClientConfig)
			}
			return out
		}},
	} {
		if err := i.Client.Get(ctx, client.ObjectKey{Name: i.Webhooks}, config.object); client.IgnoreNotFound(err) != nil {
			return changed, fmt.Errorf("read webhook configuration %s: %w", i.Webhooks, err)
		} else if err != nil {
			continue // not installed: nobody calls
		}
		did, err := i.injectInto(ctx, config.object, config.hooks(), trusted)
		if err != nil {
			return changed, err
		}
		changed = changed || did
	}
	return changed, nil
}

func (i *Issuer) injectInto(ctx context.Context, config client.Object, hooks []*admissionv1.WebhookClientConfig, trusted []byte) (bool, error) {
	before, ok := config.DeepCopyObject().(client.Object)
	if !ok {
		return false, fmt.Errorf("a copy of %T is no object", config)
	}
	changed := false
	for _, hook := range hooks {
		if string(hook.CABundle) != string(trusted) {
			hook.CABundle, changed = trusted, true
		}
	}
	if !changed {
		return false, nil
	}
	patch := client.StrategicMergeFrom(before, client.MergeFromWithOptimisticLock{})
	if err := i.Client.Patch(ctx, config, patch); err != nil {
		return false, fmt.Errorf("have webhook configuration %s trust the certificate: %w", i.Webhooks, err)
	}
	return true, nil
}
