// Requests as they come in on the control socket. Whatever the bytes are, decoding them returns a
// request or throws a problem; and a request that was understood is written as it was read.

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzControlRequest(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let line = [UInt8](UnsafeBufferPointer(start: start, count: count))
    _ = try? ControlWire.decodeMessage(line)
    guard let request = try? ControlWire.decodeRequest(line) else { return 0 }
    guard let written = try? ControlWire.encode(request),
        (try? ControlWire.decodeRequest([UInt8](written.dropLast()))) == request
    else { fatalError("not written as it was read: \(request)") }
    return 0
}
