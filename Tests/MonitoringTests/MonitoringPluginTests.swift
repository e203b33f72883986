import Scheduler
import ShellWords
import SnapshotModel
import Testing

@testable import Monitoring

/// The form that monitoring plugins have.
@Suite struct MonitoringPluginTests {
    private typealias Sample = MonitoringSample

    @Test("all is well in one line with performance data")
    func well() throws {
        let schedule = Sample.schedule(.every(.hour), served: [Sample.now])
        let output = PluginOutput(
            MonitorReading(now: Sample.now, volumes: [Sample.volume()], schedules: [schedule]),
            .shell)
        #expect(output.status == 0)
        #expect(
            output.text
                == "SNAPMGR OK - 1 volume, 3 snapshots, 1 schedule | 'data_snapshots'=3;;;0 "
                + "'data_newest_age'=60s;;;0 'data_store'=8192B;;;0 "
                + "'data_free'=1073741824B;;1048576:;0;2147483648 "
                + "'data_days_to_full'=30.0;7.0:;2.0:;0 'data/auto_late'=0s;900;7200;0\n")
    }

    @Test("the worst comes first, and all in lines of their own")
    func lines() {
        var volume = Sample.volume()
        volume.daysToFull = 3
        volume.hasBrokenChain = true
        let output = PluginOutput(MonitorReading(now: Sample.now, volumes: [volume]), .shell)
        let lines = output.text.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[0].hasPrefix("SNAPMGR CRITICAL - volume data: the chain is broken"))
        #expect(lines[0].contains(" (and 1 more) | "))
        #expect(lines[1].hasPrefix("CRITICAL: volume data: the chain"))
        #expect(lines[2] == "WARNING: volume data: the store is full in 3.0 days at this pace")
    }

    @Test("a message brings neither a bar nor a line of its own into the output")
    func escaping() {
        var volume = Sample.volume()
        volume.failure = Sample.event(.hookFailed, volume: "data", "a|b\r\nOK\u{1B}[1m")
        let output = PluginOutput(MonitorReading(now: Sample.now, volumes: [volume]), .shell)
        let lines = output.text.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines[0].split(separator: "|").count == 2)
        #expect(lines[1].hasSuffix("a/b OK [1m"))
        let failure = PluginOutput(Problem(.failed, "a|\nb", hint: "c"), .shell)
        #expect(failure.text == "SNAPMGR UNKNOWN - a/ b\nc\n")
        #expect(failure.status == 3)
    }
}
