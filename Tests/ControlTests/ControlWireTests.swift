import Control
import ImageDriver
import StoreFormat
import VolumeAccess
import SnapshotModel
import Testing

@Suite("Control messages")
struct ControlWireTests {
    static let requests: [VolumeRequest] = [
        .status, .warnings, .snapshot(.test(1, name: "ü \"quoted\"\n")), .prepareSnapshot(.test(2)),
        .prepareRevert(
            RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 2), safety: .test(3))),
        .holdIO(milliseconds: 50), .commit, .rollBack, .releaseIO,
        .previewRevert(SnapshotID(rawValue: 4)), .mergeStatus, .pauseMerge, .resumeMerge,
        .throttleMerge(bytesPerSecond: nil), .throttleMerge(bytesPerSecond: 1 << 40),
        .cancelMerge(RevertID(rawValue: 5)), .waitForMerge,
        .previewDelete([]), .delete([SnapshotID(rawValue: 1 << 47)]), .collect,
        .export(SnapshotID(rawValue: 6), path: "/a b"), .resize(bytes: 512),
        .read(nil, offset: 0, count: 1), .read(SnapshotID(rawValue: 7), offset: 1 << 40, count: 9),
    ]

    @Test("A request survives the way over the wire", arguments: requests)
    func requestRoundTrip(request: VolumeRequest) throws {
        #expect(try ControlWire.decodeRequest(Self.body(ControlWire.encode(request))) == request)
    }

    @Test(
        "A request has the name that every version gives it",
        arguments: [
            (VolumeRequest.holdIO(milliseconds: 5), #""hold":{"milliseconds":5}"#),
            (.releaseIO, #""release":{}"#), (.commit, #""commit":{}"#),
            (.status, #""status":{}"#),
        ])
    func names(request: VolumeRequest, text: String) throws {
        let line = String(decoding: try ControlWire.encode(request), as: UTF8.self)
        #expect(line.contains(#""request":{"# + text + "}"))
    }

    @Test("Content is a text in base 64, whatever bytes it has")
    func content() throws {
        let message = ControlMessage.reply(.content(VolumeContent([0, 10, 255])))
        let line = try ControlWire.encode(message)
        #expect(String(decoding: line, as: UTF8.self).contains(#""AAr/""#))
        #expect(try ControlWire.decodeMessage(Self.body(line)) == message)
    }

    @Test("A message is one line, whatever texts it holds")
    func oneLine() throws {
        let line = try ControlWire.encode(.problem(Problem(.failed, "a\nb\r\u{2028}c")))
        #expect(line.filter { $0 == UInt8(ascii: "\n") }.count == 1)
        #expect(line.last == UInt8(ascii: "\n"))
    }

    @Test("A code that a newer snapmgr brought is a failure, and its words are kept")
    func newerCode() throws {
        let line = #"{"problem":{"_0":{"code":"brand_new","message":"a","hint":"b"}}}"#
        let message = try ControlWire.decodeMessage([UInt8](line.utf8))
        #expect(message == .problem(Problem(.failed, "a", hint: "b")))
    }

    @Test("What a server advises is sent in its words, and as remedies")
    func advice() throws {
        let problem = Problem(.refused, "a", hint: "run \(.check("b"))")
        let line = try ControlWire.encode(.problem(problem), wording: Wording { _ in "<check>" })
        #expect(String(decoding: line, as: UTF8.self).contains(#""hint":"run <check>""#))
        #expect(try ControlWire.decodeMessage(Self.body(line)) == .problem(problem))
    }

    @Test("A newer protocol is recognized whatever its request looks like")
    func newerVersion() {
        let line = [UInt8](#"{"version":2,"request":{"teleport":{}}}"#.utf8)
        #expect(Self.code(decoding: line) == .newerVersion)
    }

    @Test(
        "What is not a request is a usage error, not a crash",
        arguments: [
            "", "{}", "[]", "null", "1", #"{"version":1}"#, #"{"version":"1"}"#,
            #"{"version":1,"request":{"unknown":{}}}"#,
            #"{"version":1,"request":{"hold":{}}}"#,
            #"{"version":1,"request":{"hold":{"milliseconds":1e99}}}"#,
            "{\"version\":1,\"request\":\u{0}", String(repeating: "[", count: 100_000),
        ])
    func garbage(text: String) {
        #expect(Self.code(decoding: [UInt8](text.utf8)) == .usage)
    }

    private static func body(_ line: [UInt8]) -> [UInt8] { [UInt8](line.dropLast()) }

    private static func code(decoding line: [UInt8]) -> Problem.Code? {
        do throws(Problem) {
            _ = try ControlWire.decodeRequest(line)
            return nil
        } catch {
            return error.code
        }
    }
}
