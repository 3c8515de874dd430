import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from pipeline import __main__ as pipeline
from pipeline.config import ConfigError, load_config
from pipeline.extract import ExtractError, extract
from pipeline.model import Baseline
from pipeline.train import TrainError, train
from pipeline.validate import ValidateError, validate


def rows(n):
    return [{"feature_a": str(i), "feature_b": str(i % 3), "target": str(2 * i + 1)} for i in range(n)]


def records(n):
    return validate(rows(n), 0).records


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def csv(self, lines):
        path = self.folder / "input.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


class ConfigTest(unittest.TestCase):
    def test_all_problems_are_reported_at_once(self):
        with self.assertRaises(ConfigError) as raised:
            load_config({"PIPELINE_MODEL": "magic", "PIPELINE_HELD_OUT": "2"})
        for name in ("PIPELINE_INPUT", "PIPELINE_OUTPUT", "PIPELINE_MODEL", "PIPELINE_HELD_OUT"):
            self.assertIn(name, str(raised.exception))


class ExtractTest(Folder):
    def test_unknown_columns_are_left_out(self):
        path = self.csv(["extra,feature_a,feature_b,target", "x,1,2,3"])
        self.assertEqual(extract(path), [{"feature_a": "1", "feature_b": "2", "target": "3"}])

    def test_missing_columns_rows_and_files_are_refused(self):
        for lines, says in ((["feature_a,target", "1,2"], "feature_b"), (["feature_a,feature_b,target"], "no rows")):
            with self.assertRaisesRegex(ExtractError, says):
                extract(self.csv(lines))
        with self.assertRaisesRegex(ExtractError, "can't be read"):
            extract(self.folder / "nowhere.csv")


class ValidateTest(unittest.TestCase):
    def test_a_few_bad_rows_are_dropped_and_counted(self):
        bad = {"feature_a": "one", "feature_b": "1", "target": "1"}
        far = {"feature_a": "1", "feature_b": "1", "target": "nan"}
        result = validate([*rows(98), bad, far], 0.05)
        self.assertEqual(len(result.records), 98)
        self.assertEqual(result.reasons, {"feature_a is not a number": 1, "target is out of range": 1})

    def test_too_many_bad_rows_stop_the_run(self):
        bad = {"feature_a": "", "feature_b": "1", "target": "1"}
        with self.assertRaisesRegex(ValidateError, "1 of 4 rows"):
            validate([*rows(3), bad], 0.05)


class TrainTest(unittest.TestCase):
    def test_the_same_records_measure_the_same(self):
        settings = {"held_out": 0.2, "max_error": float("inf"), "seed": 7}
        once = train(records(50), Baseline(), **settings).metrics
        self.assertEqual(once, train(records(50), Baseline(), **settings).metrics)
        self.assertEqual(once["rmse"], once["baseline_rmse"])

    def test_a_bad_model_is_refused(self):
        with self.assertRaisesRegex(TrainError, "limit"):
            train(records(50), Baseline(), held_out=0.2, max_error=0.001, seed=7)
        with self.assertRaisesRegex(TrainError, "two rows"):
            train(records(1), Baseline(), held_out=0.2, max_error=1, seed=7)


class RunTest(Folder):
    def main(self, **env):
        env = {"PIPELINE_OUTPUT": str(self.folder / "out"), "PIPELINE_MODEL": "baseline", **env}
        out = io.StringIO()
        with mock.patch.object(pipeline, "load_config", lambda: load_config(env)), contextlib.redirect_stdout(out):
            code = pipeline.main()
        return code, [json.loads(line) for line in out.getvalue().splitlines()]

    def test_a_run_writes_model_metrics_and_manifest(self):
        path = self.csv(["feature_a,feature_b,target", *(f"{i},{i % 3},{2 * i}" for i in range(20))])
        code, log = self.main(PIPELINE_INPUT=str(path))
        self.assertEqual(code, 0)
        self.assertEqual([line["event"] for line in log], ["extracted", "validated", "trained", "loaded"])
        written = Path(log[-1]["output"])
        manifest = json.loads((written / "manifest.json").read_text(encoding="utf-8"))
        self.assertEqual(sorted(manifest["files"]), ["baseline.json", "metrics.json"])
        again, log = self.main(PIPELINE_INPUT=str(path))
        self.assertEqual((again, Path(log[-1]["output"])), (0, written))

    def test_a_failed_run_writes_nothing_and_says_why(self):
        code, log = self.main(PIPELINE_INPUT=str(self.csv(["feature_a,feature_b,target", "a,b,c"])))
        self.assertEqual(code, 1)
        self.assertEqual(log[-1]["stage"], "validate")
        self.assertFalse((self.folder / "out").exists())

    def test_a_wrong_configuration_is_exit_code_2(self):
        code, log = self.main(PIPELINE_INPUT="")
        self.assertEqual(code, 2)
        self.assertEqual(log[-1]["stage"], "config")


if __name__ == "__main__":
    unittest.main()
