package proxy

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// reflected is an open reflection stream. Both versions of the service have the same messages; those of v1 serve for either.
type reflected struct {
	*suite.Stream
	s       *scene
	service string
}

const reflectionHost = "the.host.asked"

// ask makes a request and returns the answer to it.
func (r *reflected) ask(requirement string, request *grpc_reflection_v1.ServerReflectionRequest) *grpc_reflection_v1.ServerReflectionResponse {
	request.Host = reflectionHost
	if err := r.Send(request); err != nil && !errors.Is(err, io.EOF) {
		r.s.t.KitFault(err)
	}
	response := &grpc_reflection_v1.ServerReflectionResponse{}
	r.s.t.Check(r.Recv(response), suite.Failure{Requirement: requirement, Expected: "an answer to each request on the reflection stream of " + r.service})
	r.s.t.Require(response.GetValidHost() == reflectionHost && proto.Equal(response.GetOriginalRequest(), request), suite.Failure{
		Requirement: "SERV-27",
		Expected:    fmt.Sprintf("valid_host %q and original_request {%s}", reflectionHost, request),
		Got:         fmt.Sprintf("valid_host %q and original_request {%s}", response.GetValidHost(), response.GetOriginalRequest()),
	})
	return response
}

func listServices(text string) *grpc_reflection_v1.ServerReflectionRequest {
	return &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{ListServices: text}}
}

func fileNamed(name string) *grpc_reflection_v1.ServerReflectionRequest {
	return &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileByFilename{FileByFilename: name}}
}

func fileOf(symbol string) *grpc_reflection_v1.ServerReflectionRequest {
	return &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol}}
}

// reflectionCases are about both versions of the reflection service.
func reflectionCases() []suite.Case {
	var cases []suite.Case
	for _, version := range []struct{ id, service, requirement string }{
		{"v1alpha", "grpc.reflection.v1alpha.ServerReflection", "SERV-23"},
		{"v1", "grpc.reflection.v1.ServerReflection", "SERV-51"},
	} {
		on := func(name, title string, requirements []string, run func(r *reflected)) suite.Case {
			return servingCase("reflection-"+version.id+"/"+name, title, nil, append(requirements, version.requirement), func(s *scene) {
				stream, err := s.t.Client().Stream(s.ctx, "/"+version.service+"/ServerReflectionInfo", nil)
				s.t.Check(err, suite.Failure{Requirement: version.requirement})
				r := &reflected{stream, s, version.service}
				run(r)
				if err := stream.CloseSend(); err != nil {
					s.t.KitFault(err)
				}
				body, err := stream.RecvBytes()
				s.t.Require(errors.Is(err, io.EOF), suite.Failure{
					Requirement: "SERV-52", Expected: "the reflection stream to end with status OK after the client's half-close", Got: fmt.Sprintf("message %x, error %v", body, err),
				})
			})
		}
		cases = append(cases,
			on("list", "list_services names the reflection service and then all discovered services, sorted, whatever its text", requires("SERV-24", "SERV-25", "SERV-27", "SERV-52"),
				func(r *reflected) {
					var services []string
					for _, e := range model.Spec().GetEntities() {
						services = append(services, e.GetServiceName())
					}
					slices.Sort(services)
					services = append([]string{version.service}, services...)
					for requirement, text := range map[string]string{"SERV-24": "", "SERV-25": "nonsense.blabla."} {
						var got []string
						for _, service := range r.ask(requirement, listServices(text)).GetListServicesResponse().GetService() {
							got = append(got, service.GetName())
						}
						r.s.t.Require(slices.Equal(got, services), suite.Failure{
							Requirement: requirement, Expected: strings.Join(services, ", "), Got: strings.Join(got, ", "),
						})
					}
				}),
			on("unknown", "an unknown symbol or file is answered with a NOT_FOUND error response, and the stream stays open", requires("SERV-26", "SERV-27", "SERV-52"),
				func(r *reflected) {
					for _, request := range []*grpc_reflection_v1.ServerReflectionRequest{
						fileOf("nonsense.blabla.Void"), fileNamed("no/such/file.proto"), fileOf(""), fileNamed(""), fileOf(model.ActionService + ".NoSuchMethod"), fileOf("cloudstate.tck"),
					} {
						response := r.ask("SERV-26", request)
						r.s.t.Require(response.GetErrorResponse().GetErrorCode() == int32(codes.NotFound), suite.Failure{
							Requirement: "SERV-26", Expected: fmt.Sprintf("error_response with error_code 5 to {%s}", request), Got: response.String(),
						})
					}
					r.s.t.Require(len(r.ask("SERV-26", listServices("")).GetListServicesResponse().GetService()) > 1, suite.Failure{
						Requirement: "SERV-26", Expected: "the stream to serve on after errors", Got: "no services",
					})
				}),
			on("files", "every file of the user function's descriptors is found by its name and by the symbols in it", requires("SERV-28", "SERV-27", "SERV-52"),
				func(r *reflected) {
					set := &descriptorpb.FileDescriptorSet{}
					if err := proto.Unmarshal(model.Spec().GetProto(), set); err != nil {
						r.s.t.KitFault(err)
					}
					for _, file := range set.GetFile() {
						r.finds(fileNamed(file.GetName()), file)
						for _, symbol := range symbols(file) {
							r.finds(fileOf(symbol), file)
						}
					}
				}),
		)
	}
	return cases
}

// finds requires that the answer to the request has this file among its files.
func (r *reflected) finds(request *grpc_reflection_v1.ServerReflectionRequest, file *descriptorpb.FileDescriptorProto) {
	response := r.ask("SERV-28", request)
	for _, raw := range response.GetFileDescriptorResponse().GetFileDescriptorProto() {
		got := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(raw, got); err == nil && proto.Equal(got, file) {
			return
		}
	}
	r.s.t.Fail(suite.Failure{
		Requirement: "SERV-28", Expected: fmt.Sprintf("the file %s, as discovery had it, in the answer to {%s}", file.GetName(), request),
		Got:    fmt.Sprintf("%d other files, error response {%s}", len(response.GetFileDescriptorResponse().GetFileDescriptorProto()), response.GetErrorResponse()),
		Remedy: "serve reflection from the descriptors that the user function supplied",
	})
}

// symbols are the full names of the file's services, methods, messages and enums.
func symbols(file *descriptorpb.FileDescriptorProto) []string {
	prefix := file.GetPackage()
	if prefix != "" {
		prefix += "."
	}
	var names []string
	for _, service := range file.GetService() {
		names = append(names, prefix+service.GetName())
		for _, m := range service.GetMethod() {
			names = append(names, prefix+service.GetName()+"."+m.GetName())
		}
	}
	for _, enum := range file.GetEnumType() {
		names = append(names, prefix+enum.GetName())
	}
	var nested func(prefix string, messages []*descriptorpb.DescriptorProto)
	nested = func(prefix string, messages []*descriptorpb.DescriptorProto) {
		for _, m := range messages {
			names = append(names, prefix+m.GetName())
			nested(prefix+m.GetName()+".", m.GetNestedType())
			for _, enum := range m.GetEnumType() {
				names = append(names, prefix+m.GetName()+"."+enum.GetName())
			}
		}
	}
	nested(prefix, file.GetMessageType())
	return names
}
