package main

import (
	"fmt"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	// Messages that stand in an Any have to be known to be checked.
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/stateful_session/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/upstream_codec/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/udp/udp_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/stateful_session/cookie/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/stateful_session/header/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/tracers/opentelemetry/samplers/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
)

const (
	clusterType  = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	endpointType = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	secretType   = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
	listenerType = "type.googleapis.com/envoy.config.listener.v3.Listener"
	routeType    = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
	scopedType   = "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"
)

type validated interface {
	proto.Message
	ValidateAll() error
}

// decode gives the message of a resource, if it obeys the rules of the API and holds nothing unknown.
func decode(any *anypb.Any) (proto.Message, string, error) {
	message, err := any.UnmarshalNew()
	if err != nil {
		return nil, "", err
	}
	checked, ok := message.(validated)
	if !ok {
		return nil, "", fmt.Errorf("%s cannot be validated", any.GetTypeUrl())
	}
	if err := checked.ValidateAll(); err != nil {
		return nil, "", err
	}
	if err := checkKnown(message.ProtoReflect(), any.GetTypeUrl()); err != nil {
		return nil, "", err
	}
	name, err := nameOf(message)
	return message, name, err
}

func nameOf(message proto.Message) (string, error) {
	switch m := message.(type) {
	case *cluster.Cluster:
		return m.GetName(), nil
	case *endpoint.ClusterLoadAssignment:
		return m.GetClusterName(), nil
	case *tls.Secret:
		return m.GetName(), nil
	case *listener.Listener:
		return m.GetName(), nil
	case *route.RouteConfiguration:
		return m.GetName(), nil
	case *route.ScopedRouteConfiguration:
		return m.GetName(), nil
	}
	return "", fmt.Errorf("%T is served and has no name", message)
}

// checkKnown looks for fields that the official messages do not have, also within every Any.
func checkKnown(message protoreflect.Message, path string) error {
	if unknown := message.GetUnknown(); len(unknown) > 0 {
		return fmt.Errorf("%s has unknown fields: %x", path, []byte(unknown))
	}
	if inner, ok := message.Interface().(*anypb.Any); ok {
		content, err := inner.UnmarshalNew()
		if err != nil {
			return fmt.Errorf("%s holds %s: %w", path, inner.GetTypeUrl(), err)
		}
		if checked, ok := content.(validated); ok {
			if err := checked.ValidateAll(); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		return checkKnown(content.ProtoReflect(), path+"/"+inner.GetTypeUrl())
	}
	var failure error
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		failure = checkField(field, value, path+"."+string(field.Name()))
		return failure == nil
	})
	return failure
}

func checkField(field protoreflect.FieldDescriptor, value protoreflect.Value, path string) error {
	switch {
	case field.IsMap():
		if field.MapValue().Message() == nil {
			return nil
		}
		var failure error
		value.Map().Range(func(key protoreflect.MapKey, entry protoreflect.Value) bool {
			failure = checkKnown(entry.Message(), path+"["+key.String()+"]")
			return failure == nil
		})
		return failure
	case field.Message() == nil:
		return nil
	case field.IsList():
		for i := range value.List().Len() {
			if err := checkKnown(value.List().Get(i).Message(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	}
	return checkKnown(value.Message(), path)
}

// node is what the first message says about us.
func node(id string) *core.Node {
	return &core.Node{Id: id, Cluster: "foreign", UserAgentName: "foreign-client"}
}
