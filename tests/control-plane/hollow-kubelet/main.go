// hollow-kubelet is Kubernetes' own kubelet without containers: the kubelet of cmd/kubemark, whose container runtime and
// image service are fakes in memory. The live tests run it beside the control plane. It needs no root, and writes to
// its directory only.
//
// cmd/kubemark itself is not used: it writes to fixed paths, contains kube-proxy, its heartbeat cannot be changed, and
// its containers stop at once.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	fakecri "k8s.io/cri-api/pkg/apis/testing"
	cadvisor "k8s.io/kubernetes/pkg/kubelet/cadvisor/testing"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/kubemark"
)

// Containers of an image with this in its name end only when their grace period is over.
const ignoresSIGTERM = "ignores-sigterm"

type fakeRuntime struct {
	*fakecri.FakeRuntimeService
}

// StopContainer waits for the grace period, as a runtime does for a container that ignores SIGTERM.
func (r fakeRuntime) StopContainer(ctx context.Context, id string, timeout int64) error {
	status, err := r.ContainerStatus(ctx, id, false)
	if err == nil && strings.Contains(status.GetStatus().GetImage().GetImage(), ignoresSIGTERM) {
		select {
		case <-time.After(time.Duration(timeout) * time.Second):
		case <-ctx.Done():
		}
	}
	return r.FakeRuntimeService.StopContainer(ctx, id, timeout)
}

func subdirectory(parent, name string) string {
	path := filepath.Join(parent, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		log.Fatal(err)
	}
	return path
}

func main() {
	name := flag.String("name", "", "name of the node")
	kubeconfig := flag.String("kubeconfig", "", "path of the kubeconfig")
	dir := flag.String("dir", "", "directory for the kubelet's files")
	label := flag.String("label", "", "key of a label that the node gets when it is registered")
	port := flag.Int("port", 0, "port of the kubelet")
	maxPods := flag.Int("max-pods", 110, "allocatable pods of the node")
	lease := flag.Int("lease", 40, "duration of the node's lease in seconds; it is renewed four times as often")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	config.QPS, config.Burst = 100, 200
	client, err := clientset.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	flags, kubelet := kubemark.GetHollowKubeletConfig(&kubemark.HollowKubeletOptions{
		NodeName:    *name,
		KubeletPort: *port,
		MaxPods:     *maxPods,
		NodeLabels:  map[string]string{*label: ""},
	})
	// GetHollowKubeletConfig has made a root directory in /tmp, and nobody removes it.
	if err := os.RemoveAll(flags.RootDirectory); err != nil {
		log.Fatal(err)
	}
	flags.RootDirectory = *dir
	kubelet.StaticPodPath = subdirectory(*dir, "static-pods")
	kubelet.PodLogsDir = subdirectory(*dir, "pod-logs")
	kubelet.Address = "127.0.0.1"
	kubelet.NodeLeaseDurationSeconds = int32(*lease)

	runtime := fakecri.NewFakeRuntimeService()
	runtime.FakeStatus = &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
		{Type: runtimeapi.RuntimeReady, Status: true},
		{Type: runtimeapi.NetworkReady, Status: true},
	}}
	kubemark.NewHollowKubelet(
		flags,
		kubelet,
		client,
		client,
		&cadvisor.Fake{NodeName: *name},
		fakecri.NewFakeImageService(),
		fakeRuntime{runtime},
		cm.NewStubContainerManager(),
	).Run(context.Background())
}
