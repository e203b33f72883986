import Catalog
import Glibc
import SnapshotModel
import Testing

@testable import Manager

@Suite struct RequesterTests {
    @Test("who asked stands in the event log beside what happened")
    func event() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        let anna = Requester(userID: 0, userName: "root", sudoUser: "an\"na", face: .commandLine)
        _ = try fixture.manager.performing(Operation(requester: anna, clock: fixture.clock))
            .snapshots.take(TakeRequest(volumes: ["a"]))
        let event = try #require(try fixture.manager.events.latest(1).first)
        #expect(event.kind == EventKind.snapshotTaken.rawValue && event.requestedBy == anna)
        #expect(
            event.json.description.contains(
                #""requested_by":{"user":"root","uid":0,"sudo_user":"an\"na","face":"command_line"}"#
            ))
        #expect(anna.description == "an\"na (as root)")
    }

    @Test(
        "an event of a version that did not note it, or of one that notes it otherwise, has nobody")
    func otherVersions() throws {
        let fixture = try ManagerFixture()
        for details in [nil, "{}", #"{"requested_by":7}"#, #"{"requested_by":null}"#] {
            try fixture.catalog().record(Event(.info, kind: "k", message: "m", details: details))
        }
        let events = try fixture.manager.events.latest(10)
        #expect(events.count == 4 && events.allSatisfy { $0.requestedBy == nil })
        #expect(events[0].json.description.contains(#""requested_by":null"#))
    }

    @Test(
        "an account without a name, and a face of a newer version, are told as far as they are known"
    )
    func unknown() {
        let nobody = Requester(userID: 4711)
        #expect(nobody.description == "uid-4711")
        #expect(EventDetails(text: EventDetails(requestedBy: nobody).text)?.requestedBy == nobody)
        let newer = EventDetails(
            text: #"{"requested_by":{"user":"x","uid":1,"face":"telepathy","more":1},"more":2}"#)
        #expect(newer?.requestedBy == Requester(userID: 1, userName: "x", face: .program))
    }

    @Test("sudo's word counts in root's processes alone, and only when it is a plain name")
    func sudo() {
        let isRoot = geteuid() == 0
        #expect(
            Requester.ofThisProcess(environment: ["SUDO_USER": "anna"]).sudoUser
                == (isRoot ? "anna" : nil))
        for name in ["", "an na", "an\nna", "änna", String(repeating: "a", count: 65)] {
            #expect(Requester.ofThisProcess(environment: ["SUDO_USER": name]).sudoUser == nil)
        }
    }

    @Test("only the process that a unit has started is the unit's")
    func unit() {
        let own = Requester.ofThisProcess(environment: ["SYSTEMD_EXEC_PID": "\(getpid())"])
        #expect(own.face == .serviceUnit && own.userID == geteuid())
        for environment in [[:], ["SYSTEMD_EXEC_PID": "1", "INVOCATION_ID": "x"]] {
            #expect(Requester.ofThisProcess(environment: environment).face == .commandLine)
        }
    }
}
