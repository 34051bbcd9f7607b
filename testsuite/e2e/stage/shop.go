// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
)

// shopWithin bounds the wait until a new shop serves and is measured.
const shopWithin = 30 * time.Second

// Shop is a sample service behind the gateway: a Deployment, a Service and an HTTPRoute of one name.
type Shop struct {
	Stage *Stage
	// Namespace it lives in, Name of its three objects, Host that the gateway knows it by.
	Namespace, Name, Host string
	// Image it was made with.
	Image string
	// Route is followed from the beginning.
	Route *Observer

	front   Front
	traffic load.Options
	load    *load.Run
}

// ShopOptions of a shop.
type ShopOptions struct {
	// Namespace, which is also the name of Deployment, Service and HTTPRoute; default "shop".
	Namespace string
	// Version of the image; default "v1". Env is the image's environment.
	Version string
	Env     map[string]string
	// Replicas; default 2.
	Replicas int32
	// Labels of the pods beside "app", by which the Deployment and the Service select them.
	Labels map[string]string
	// Resources that each pod asks for and is limited to; default none.
	Resources corev1.ResourceRequirements
	// Rate of the load in requests per second; default 200.
	Rate int
	// NewConnections opens one for every request of the load.
	NewConnections bool
	// Front is what sends it requests; default HTTPRoute.
	Front Front
	// Unmeasured leaves it without requests, so that Prometheus knows nothing of it.
	Unmeasured bool
}

func (o *ShopOptions) fill() {
	o.Namespace, o.Version = cmp.Or(o.Namespace, "shop"), cmp.Or(o.Version, "v1")
	o.Replicas, o.Rate = cmp.Or(o.Replicas, 2), cmp.Or(o.Rate, 200)
	o.Front = cmp.Or(o.Front, HTTPRoute)
}

// OpenShop makes a shop, puts load on it, and returns when it serves and Prometheus has seen it.
func (s *Stage) OpenShop(ctx context.Context, o ShopOptions) (*Shop, error) {
	o.fill()
	image, err := s.PutImage(o.Version, o.Env)
	if err != nil {
		return nil, err
	}
	shop := &Shop{Stage: s, Namespace: o.Namespace, Name: o.Namespace, Host: o.Namespace + ".example", Image: image, front: o.Front}
	if err := shop.create(ctx, o); err != nil {
		return nil, err
	}
	if shop.Route, err = s.observe(ctx, o.Front, shop); err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, shopWithin)
	defer cancel()
	if o.Unmeasured {
		return shop, nil
	}
	if err := Await(ready, shop.serves); err != nil {
		shop.Route.Stop()
		return nil, fmt.Errorf("wait until the shop serves: %w", err)
	}
	shop.traffic = load.Options{URL: s.Gateway + "/", Host: shop.Host, Rate: o.Rate, NewConnections: o.NewConnections}
	shop.load = load.Start(shop.traffic)
	if err := Await(ready, shop.measured); err != nil {
		shop.Close()
		return nil, fmt.Errorf("wait until Prometheus has seen the shop: %w", err)
	}
	return shop, nil
}

// create finds what an earlier run on the same state has left.
func (p *Shop) create(ctx context.Context, o ShopOptions) error {
	meta := metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace}
	kube, options := p.Stage.Kube, metav1.CreateOptions{}
	_, err1 := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.Namespace}}, options)
	_, err2 := kube.AppsV1().Deployments(p.Namespace).Create(ctx, p.deployment(meta, o), options)
	_, err3 := kube.CoreV1().Services(p.Namespace).Create(ctx, &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": p.Name},
		Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}},
	}}, options)
	err4 := p.createFront(ctx)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("make shop: %w", err)
		}
	}
	return nil
}

func (p *Shop) deployment(meta metav1.ObjectMeta, o ShopOptions) *appsv1.Deployment {
	labels := map[string]string{"app": p.Name}
	carried := maps.Clone(labels)
	maps.Copy(carried, o.Labels)
	return &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
		Replicas: &o.Replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: carried}, Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: ptr.To[int64](10),
			Containers: []corev1.Container{{
				Name: "shop", Image: p.Image, Resources: o.Resources,
				Env:   []corev1.EnvVar{{Name: "FAULTS_FILE", Value: "/faults/all.json"}},
				Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
				ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
					HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromString("http")},
				}},
				VolumeMounts: []corev1.VolumeMount{{Name: "faults", MountPath: "/faults"}},
			}},
			Volumes: []corev1.Volume{{Name: "faults", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{
				Path: filepath.Dir(p.faultsFile()), Type: ptr.To(corev1.HostPathDirectoryOrCreate),
			}}}},
		}},
	}}
}

// serves asks the gateway once.
func (p *Shop) serves(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Stage.Gateway+"/", nil)
	if err != nil {
		return err
	}
	req.Host = p.Host
	_, err = answer(req)
	return err
}

// measured asks Prometheus whether it has counted a request to the shop, at the gateway and at its pods.
func (p *Shop) measured(ctx context.Context) error {
	for _, query := range []string{
		fmt.Sprintf(`traefik_service_requests_total{service=~%q}`, p.front.counted(p.Name)),
		fmt.Sprintf(`http_requests_total{namespace=%q}`, p.Namespace),
	} {
		text, err := get(ctx, p.Stage.Prometheus+"/api/v1/query?query="+url.QueryEscape(query))
		if err != nil {
			return err
		}
		if !strings.Contains(text, `"value"`) {
			return fmt.Errorf("no requests counted yet by %s", query)
		}
	}
	return nil
}

// Callers are inside the cluster: they use the root Service, at a rate in requests per second, each with a
// new connection, until their load is stopped.
func (p *Shop) Callers(ctx context.Context, rate int) (*load.Run, error) {
	root, err := p.Stage.Kube.CoreV1().Services(p.Namespace).Get(ctx, p.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("find Service of the shop: %w", err)
	}
	url, header := p.Stage.Inside(net.JoinHostPort(root.Spec.ClusterIP, strconv.Itoa(int(root.Spec.Ports[0].Port))))
	return load.Start(load.Options{URL: url, Header: header, Rate: rate}), nil
}

// Faults go wrong with every version at once.
type Faults struct {
	ErrorRate float64 `json:"errorRate"`
	// Latency such as "100ms" is added to every request; empty: none.
	Latency string `json:"latency,omitempty"`
}

func (p *Shop) faultsFile() string {
	return filepath.Join(p.Stage.Dir, "faults", p.Namespace, "all.json")
}

// Incident makes every version worse until Recover.
func (p *Shop) Incident(f Faults) error {
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("begin incident: %w", err)
	}
	file := p.faultsFile()
	return errors.Join(os.WriteFile(file+".new", text, 0o644), os.Rename(file+".new", file))
}

// Recover ends an incident.
func (p *Shop) Recover() error {
	if err := os.Remove(p.faultsFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("end incident: %w", err)
	}
	return nil
}

// Cut returns every request since the last cut, each with its end, while the load goes on.
func (p *Shop) Cut() []load.Result {
	before := p.load
	if before == nil {
		return nil
	}
	p.load = load.Start(p.traffic)
	before.Stop()
	return before.Results()
}

// Results are the requests since the last cut that have ended so far.
func (p *Shop) Results() []load.Result { return p.load.Results() }

// Since are those that began at or after a moment.
func (p *Shop) Since(t time.Time) []load.Result {
	return slices.DeleteFunc(p.Results(), func(r load.Result) bool { return r.At.Before(t) })
}

// GivePast gives the pods a history in which they have failed so many requests, and returns when their own rate is
// back, which is at most 1 %.
func (p *Shop) GivePast(ctx context.Context, failures int) error {
	if err := p.Incident(Faults{ErrorRate: .02}); err != nil {
		return err
	}
	began := time.Now()
	err := Await(ctx, func(context.Context) error {
		if n := load.Summarize(p.Since(began)).Failed; n < failures {
			return fmt.Errorf("the shop has failed %d times, not %d", n, failures)
		}
		return nil
	})
	if err := errors.Join(err, p.Recover()); err != nil {
		return err
	}
	return Await(ctx, func(context.Context) error {
		last := p.Since(time.Now().Add(-3 * time.Second))
		if len(last) <= 100 || load.Summarize(last).Failed > len(last)/100 {
			return errors.New("the shop's own rate is not back yet")
		}
		return nil
	})
}

// Close stops the load and the observer; the objects stay.
func (p *Shop) Close() {
	if p.load != nil {
		p.load.Stop()
	}
	p.Route.Stop()
}

// CopyService makes a second Service for the same pods, which no route names.
func (p *Shop) CopyService(ctx context.Context, name string) error {
	services := p.Stage.Kube.CoreV1().Services(p.Namespace)
	root, err := services.Get(ctx, p.Name, metav1.GetOptions{})
	if err == nil {
		_, err = services.Create(ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: p.Namespace},
			Spec:       corev1.ServiceSpec{Selector: root.Spec.Selector, Ports: root.Spec.Ports},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("copy Service %s: %w", p.Name, err)
	}
	return nil
}
