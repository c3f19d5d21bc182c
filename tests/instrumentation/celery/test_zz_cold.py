import signal, pytest
from tests.instrumentation.celery.test_worker import *
from tests.instrumentation.celery.conftest import *
from tests.conftest import telemetry, _telemetry
@pytest.mark.parametrize("pool",["prefork","solo","threads"])
@pytest.mark.parametrize("sig",["QUIT","INT2","TERM2"])
def test_cold(orders, start, telemetry, tmp_path, pool, sig):
    marker = tmp_path / "running"
    orders.tasks["orders.pack"].delay(1).forget()
    orders.tasks["orders.wait"].delay(str(marker), 8)
    worker = start("-P", pool, "-c", "1")
    until(marker.exists, "the task to run")
    if sig=="QUIT": n=signal.SIGQUIT
    elif sig=="INT2": worker.process.send_signal(signal.SIGINT); n=signal.SIGINT; time.sleep(1)
    else: worker.process.send_signal(signal.SIGTERM); n=signal.SIGTERM; time.sleep(1)
    t=time.time()
    lines=worker.stop(n)
    print(pool, sig, worker.process.returncode, round(time.time()-t,1), [(l.get("span"), l.get("log"),l.get("status"),l.get("attributes",{}).get("celery.task.outcome"),l.get("attributes",{}).get("error.type")) for l in lines])
    print(worker.output[-1500:])
