"""The nodes in a browser: a Gradio page made from their declarations, for people, for programs and for agents.

doors.py         what every call goes through; files.py: the files that it names
gate.py          what every request over HTTP goes through; agent_files.py: files that agents' calls name
visitors.py      who visitors are, and what each may leave here; folder.py: the demo's own folder, gone when it ends
queue.py         few jobs a visitor, in turns; turns.py: the order of turns
accelerator.py   one slot for the accelerator, whatever it is
models.py        models in memory, shared by all visitors; host.py: what nodes need of this program
steps.py         work in a thread, told of step by step, that ends when the visitor cancels or leaves
uploads.py       people's pictures, checked before they are read
errors.py        what people read where something went wrong
actions.py       what the pages do, by the nodes; drawing.py: pictures of several visitors at once
work.py          nodes as the pages run them: how much is too much
handles.py       a visitor's models and latents, kept here and known outside by a handle
limits.py        the nodes' inputs with the limits of this demo
components.py    inputs and outputs of nodes as components; documented.py: functions that say what their parameters are
upload_check.py  a word on an uploaded file at once
fields.py        what several pages have; status.py: a line on how work stands; icons.py: small drawings on buttons
pictures.py      pictures as browsers show them; cards.py: drawn pictures, and what can be done with one;
                 gauge.py: how likely they are, in words; likelihood_view.py: heatmap over picture
strip.py         the finished strip on the first page, of the files in strip/, which tools/save_strip.py makes
create.py, likelihood.py, inversion.py, developers.py with node_panels.py   the pages; create_endpoint.py: `/create`
address.py       what stands in the address;  agents.py: the endpoints as tools, by the Model Context Protocol
web/, style.css  what runs in the browser, and how it looks
site.py          all of it, and how it is served
graph.py         example graphs as a `gr.Workflow`: `python -m demo.graph`; graph_format.py: from ComfyUI's form
"""
