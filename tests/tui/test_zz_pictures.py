import os
import pytest
from fakes.screen import *
from fakes.rehearsals import *
from tui.test_looks import opened, press, client, people, _still
@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("size",[(80,24),(140,45)])
@pytest.mark.parametrize("theme",["night","paper"])
async def test_pics(setup,size,theme):
    import time
    t=time.process_time()
    runs_at_noon(setup)
    print("made", time.process_time()-t)
    async with opened(setup,size,theme) as (app,pilot):
        def shot(name):
            Path(f"/tmp/d/{name}-{size[0]}-{theme}.svg").write_text(app.export_screenshot())
            Path(f"/tmp/d/{name}-{size[0]}-{theme}.txt").write_text("\n".join(s.text for s in app.screen._compositor.render_strips()))
        await press(app,pilot,"8"); shot("voice")
        await press(app,pilot,"r"); shot("runs")
        await press(app,pilot,"enter"); shot("side")
        await press(app,pilot,"escape","b"); shot("blind")
        await press(app,pilot,"a","question_mark","r"); shot("blind2")
        await press(app,pilot,"escape","down"); shot("half")
        await press(app,pilot,"down"); shot("small")
        await press(app,pilot,"n"); shot("form")
        await press(app,pilot,"escape","question_mark"); shot("help")
        await press(app,pilot,"escape","d"); shot("delete")
    print("cpu", time.process_time()-t)
