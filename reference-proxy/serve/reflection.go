package serve

import (
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stateful-serverless/cloudstate/reference-proxy/discovery"
)

// Reflection is written here, rather than taken from grpc-go, because what it
// describes is not this program's services but the user function's, which change
// (DISC-48), and because the order of the list is fixed (SERV-24). The two versions
// of the protocol have the same messages on the wire, so one handler serves both.
func registerReflection(s *grpc.Server, e *Edge) {
	for _, name := range reflectionServices {
		s.RegisterService(&grpc.ServiceDesc{
			ServiceName: name,
			Streams: []grpc.StreamDesc{{
				StreamName:    "ServerReflectionInfo",
				ClientStreams: true,
				ServerStreams: true,
				Handler:       func(_ any, ss grpc.ServerStream) error { return e.reflect(name, ss) },
			}},
		}, nil)
	}
}

var reflectionServices = []string{"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}

type (
	reflectionRequest  = grpc_reflection_v1.ServerReflectionRequest
	reflectionResponse = grpc_reflection_v1.ServerReflectionResponse
)

func (e *Edge) reflect(self string, ss grpc.ServerStream) error {
	sent := map[string]bool{} // files that this stream has sent already
	for {
		req := &reflectionRequest{}
		if err := ss.RecvMsg(req); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		res := &reflectionResponse{ValidHost: req.GetHost(), OriginalRequest: req}
		var f *discovery.Function
		if r := e.current.Load(); r != nil {
			f = r.Function()
		}
		answer(self, f, req, res, sent)
		if err := ss.SendMsg(res); err != nil {
			return err
		}
	}
}

func answer(self string, f *discovery.Function, req *reflectionRequest, res *reflectionResponse, sent map[string]bool) {
	switch q := req.GetMessageRequest().(type) {
	case *grpc_reflection_v1.ServerReflectionRequest_ListServices:
		list := &grpc_reflection_v1.ListServiceResponse{Service: []*grpc_reflection_v1.ServiceResponse{{Name: self}}}
		if f != nil {
			for _, s := range f.Services {
				list.Service = append(list.Service, &grpc_reflection_v1.ServiceResponse{Name: s.Name})
			}
		}
		res.MessageResponse = &grpc_reflection_v1.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list}
	case *grpc_reflection_v1.ServerReflectionRequest_FileByFilename:
		files(res, sent, func() (protoreflect.FileDescriptor, error) {
			if f == nil {
				return nil, errNothing
			}
			return f.Files.FindFileByPath(q.FileByFilename)
		})
	case *grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol:
		files(res, sent, func() (protoreflect.FileDescriptor, error) {
			if f == nil {
				return nil, errNothing
			}
			d, err := f.Files.FindDescriptorByName(protoreflect.FullName(q.FileContainingSymbol))
			if err != nil {
				return nil, err
			}
			return d.ParentFile(), nil
		})
	case *grpc_reflection_v1.ServerReflectionRequest_FileContainingExtension:
		files(res, sent, func() (protoreflect.FileDescriptor, error) {
			want := q.FileContainingExtension
			if d := extension(f, want.GetContainingType(), want.GetExtensionNumber()); d != nil {
				return d.ParentFile(), nil
			}
			return nil, errNothing
		})
	case *grpc_reflection_v1.ServerReflectionRequest_AllExtensionNumbersOfType:
		numbers := &grpc_reflection_v1.ExtensionNumberResponse{BaseTypeName: q.AllExtensionNumbersOfType}
		for _, d := range extensions(f, q.AllExtensionNumbersOfType) {
			numbers.ExtensionNumber = append(numbers.ExtensionNumber, int32(d.Number()))
		}
		if len(numbers.ExtensionNumber) == 0 && !known(f, q.AllExtensionNumbersOfType) {
			refuse(res, codes.NotFound, "unknown type: "+q.AllExtensionNumbersOfType)
			return
		}
		res.MessageResponse = &grpc_reflection_v1.ServerReflectionResponse_AllExtensionNumbersResponse{AllExtensionNumbersResponse: numbers}
	default:
		refuse(res, codes.InvalidArgument, "a reflection request with nothing asked in it")
	}
}

var errNothing = errors.New("not found")

// files answers with the file that find finds and all that it imports, each once a
// stream; what is not found is a NOT_FOUND error response (SERV-26).
func files(res *reflectionResponse, sent map[string]bool, find func() (protoreflect.FileDescriptor, error)) {
	fd, err := find()
	if err != nil {
		refuse(res, codes.NotFound, err.Error())
		return
	}
	out := &grpc_reflection_v1.FileDescriptorResponse{}
	queue := []protoreflect.FileDescriptor{fd}
	for len(queue) > 0 {
		fd, queue = queue[0], queue[1:]
		// The file that was asked for is sent again when it is asked for again.
		if fd.IsPlaceholder() || sent[fd.Path()] && len(out.FileDescriptorProto) > 0 {
			continue
		}
		encoded, err := proto.Marshal(protodesc.ToFileDescriptorProto(fd))
		if err != nil {
			refuse(res, codes.Internal, err.Error())
			return
		}
		sent[fd.Path()] = true
		out.FileDescriptorProto = append(out.FileDescriptorProto, encoded)
		for i := range fd.Imports().Len() {
			queue = append(queue, fd.Imports().Get(i).FileDescriptor)
		}
	}
	res.MessageResponse = &grpc_reflection_v1.ServerReflectionResponse_FileDescriptorResponse{FileDescriptorResponse: out}
}

func refuse(res *reflectionResponse, code codes.Code, text string) {
	res.MessageResponse = &grpc_reflection_v1.ServerReflectionResponse_ErrorResponse{
		ErrorResponse: &grpc_reflection_v1.ErrorResponse{ErrorCode: int32(code), ErrorMessage: valid(text)},
	}
}

func known(f *discovery.Function, name string) bool {
	if f == nil {
		return false
	}
	_, err := f.Files.FindDescriptorByName(protoreflect.FullName(name))
	return err == nil
}

// extensions are the extensions of the message type that the user function's files
// declare, at the top of a file or inside a message.
func extensions(f *discovery.Function, extendee string) []protoreflect.ExtensionDescriptor {
	if f == nil {
		return nil
	}
	var found []protoreflect.ExtensionDescriptor
	var look func(protoreflect.ExtensionDescriptors, protoreflect.MessageDescriptors)
	look = func(xs protoreflect.ExtensionDescriptors, ms protoreflect.MessageDescriptors) {
		for i := range xs.Len() {
			if x := xs.Get(i); string(x.ContainingMessage().FullName()) == extendee {
				found = append(found, x)
			}
		}
		for i := range ms.Len() {
			look(ms.Get(i).Extensions(), ms.Get(i).Messages())
		}
	}
	f.Files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		look(fd.Extensions(), fd.Messages())
		return true
	})
	return found
}

func extension(f *discovery.Function, extendee string, number int32) protoreflect.ExtensionDescriptor {
	for _, x := range extensions(f, extendee) {
		if int32(x.Number()) == number {
			return x
		}
	}
	return nil
}

// OwnServices are the full names of the services that an edge serves itself; a user
// function cannot serve them.
func OwnServices() []string {
	return append([]string{"grpc.health.v1.Health"}, reflectionServices...)
}
